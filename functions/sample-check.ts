/** `check`, deployed a second time: for some rows of every view each hour, with alarms of its own. */
import { handler as check } from "./check.ts";

export const handler = check;
