import { createLogger, type Logger } from "../engine/http/logger.ts";
import { logSettings, readSettings } from "./settings.ts";

/** The log of a function; `LOG_LEVEL` says how much of it is written. */
export function functionLogger(name: string): Logger {
  return createLogger(name, { level: readSettings(logSettings).LOG_LEVEL });
}
