/** Runs the event store as a process of its own: `node local/eventstoredb/main.ts --port N --data DIR`. */
import { eventStoreCommand } from "./command.ts";

await eventStoreCommand().parseAsync();
