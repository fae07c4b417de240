/** Who works is noted, also where nobody knows a name. */
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import { expect, inject, it, onTestFinished } from "vitest";
import { withStores } from "../../../local/system/system-stores.ts";

it("a user whom the machine does not know by name, as in many containers, can use the stores", async () => {
  const { userInfo } = os;
  onTestFinished(() => {
    os.userInfo = userInfo;
    syncBuiltinESMExports();
  });
  os.userInfo = () => {
    throw new Error("A system error occurred: uv_os_get_passwd returned ENOENT (no such file or directory)");
  };
  syncBuiltinESMExports();
  const system = {
    pid: 1,
    dataDirectory: ".",
    apiUrl: "",
    invokeUrl: "",
    processes: [],
    functionPrefix: "",
    region: "eu-central-1",
    eventStoreConnectionString: "esdb://127.0.0.1:1?tls=false",
    dynamodbEndpoint: inject("dynamodbEndpoint"),
    tablePrefix: "none-",
  };
  expect(await withStores(system, async () => Promise.resolve("used"))).toBe("used");
});
