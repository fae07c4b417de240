/** Runs the commands that the README shows, in its order, against a system of its own. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run, StartedSystem } from "./started-system.ts";

const readme = await readFile(join(import.meta.dirname, "../../README.md"), "utf8");

const shown = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)]
  .flatMap(([, block = ""]) => block.split("\n"))
  .filter((line) => line !== "");

/** What this very run has done already: installing, and starting the tests; and starting the system, on ports of its own. */
const doneOtherwise = ["npm ci", "npm start", "npm test"];

describe("the README", () => {
  let system: StartedSystem;

  beforeAll(async () => {
    system = await StartedSystem.prepared();
    await system.start();
  }, 120_000);

  afterAll(async () => {
    await system.remove();
  });

  it("shows how to install, start and test", () => {
    expect(shown.filter((line) => doneOtherwise.includes(line))).toStrictEqual(doneOtherwise);
  });

  it.each(shown.filter((line) => !doneOtherwise.includes(line)))(
    "shows a command that works: %s",
    async (line) => {
      const { code, stdout, stderr } = await run(["bash", "-c", adapted(line)]);
      expect({ code, output: code === 0 ? "" : stdout + stderr }).toStrictEqual({ code: 0, output: "" });
    },
    60_000,
  );

  /** The same command for this system's ports and data; curl fails on an error, and waits for rows that are on their way. */
  function adapted(line: string): string {
    const patient = "curl --silent --show-error --fail --retry 20 --retry-delay 1 --retry-all-errors";
    const here = line.replaceAll("http://127.0.0.1:3000", system.url).replace(/^curl/, patient);
    if (line.startsWith("npx tidemark")) return `${here} --data ${system.dataDirectory}`;
    if (line.startsWith("npm run"))
      return `${here}${line.includes(" -- ") ? "" : " --"} --data ${system.dataDirectory}`;
    return here;
  }
});
