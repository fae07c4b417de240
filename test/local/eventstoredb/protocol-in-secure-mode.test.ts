/** The contract of the protocol once more, against a server with users, named as `npm run contract -- --server` names it. */
import { afterAll } from "vitest";
import { startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { serverVariable } from "../../contract/server-variable.ts";

const admin = { username: "admin", password: "a password, for tests" };
const server = await startEventStore({ inMemory: true, security: { adminPassword: admin.password } });
afterAll(() => server.stop());
process.env[serverVariable] = server.connectionStringFor(admin);
await import("../../contract/protocol.test.ts");
