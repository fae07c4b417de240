/** What docs/changing-a-projection.md tells to do, done step by step in a copy of the project, while orders come in. */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { order } from "../functions/orders.ts";
import { type Ended, portFlags, run, StartedSystem } from "./started-system.ts";

const repository = join(import.meta.dirname, "../..");
const page = await readFile(join(repository, "docs/changing-a-projection.md"), "utf8");

/** The blocks of one language, in their order; those of commands have none. */
const blocks = (language: string): string[] =>
  [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].flatMap(([, of, block = ""]) => (of === language ? [block] : []));

const commands = blocks("")
  .flatMap((block) => block.split("\n"))
  .filter((line) => /^np[mx] /.test(line));

const statusSchema = z.object({ generations: z.array(z.object({ role: z.string(), version: z.int() })) });

const isProof = process.env["TIDEMARK_PROOF"] !== undefined;

describe.runIf(isProof)("a projection is changed in production", () => {
  let copy: string;
  let system: StartedSystem;
  let placed = 0;

  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), "tidemark-change-"));
    for (const part of ["bin", "deploy", "domain", "engine", "functions", "local", "projections"]) {
      await cp(join(repository, part), join(copy, part), { recursive: true });
    }
    for (const file of ["package.json", "package-lock.json", "serverless.yml", "tsconfig.json"]) {
      await cp(join(repository, file), join(copy, file));
    }
    await symlink(join(repository, "node_modules"), join(copy, "node_modules"));
    system = await StartedSystem.prepared();
  });

  afterAll(async () => {
    await system.remove();
    await rm(copy, { recursive: true, force: true });
  });

  const start = (): Promise<void> =>
    system.start([process.execPath, join(copy, "bin/tidemark.js"), "start"], portFlags, 110, copy);

  async function place(): Promise<string> {
    const orderId = `change-${(placed += 1)}`;
    const placing = { ...order, orderId, orderedAt: "1996-07-04T00:00:00Z" };
    expect((await system.post("/orders", placing)).status).toBe(201);
    return orderId;
  }

  const salesOfJuly = async (): Promise<unknown> => (await fetch(`${system.url}/views/sales-by-month`)).json();

  /** The next command of the page, which must be this one; `npx tidemark` works on the system of this test. */
  async function next(line: string): Promise<Ended> {
    expect(commands.shift()).toBe(line);
    const [, program = "", ...words] = line.split(" ");
    const script = program === "tidemark" ? "bin/tidemark.js" : "deploy/fingerprints.ts";
    const data = program === "tidemark" ? [...words, "--data", system.dataDirectory] : [];
    return run([process.execPath, join(copy, script), ...data], copy);
  }

  async function succeeds(line: string): Promise<string> {
    const { code, stdout, stderr } = await next(line);
    expect({ line, code, stderr }).toMatchObject({ code: 0 });
    return stdout;
  }

  /** Versions by role. */
  async function versions(): Promise<Record<string, number>> {
    const words = ["replay", "status", "sales-by-month", "--json", "--data", system.dataDirectory];
    const { stdout } = await run([process.execPath, join(copy, "bin/tidemark.js"), ...words], copy);
    const { generations } = statusSchema.parse(JSON.parse(stdout));
    return Object.fromEntries(generations.map(({ role, version }) => [role, version]));
  }

  it("as the page says, in the order of the page", async () => {
    await start();
    // Of a customer with credit for them: orders of others are rejected.
    const customer = {
      customerId: order.customerId,
      name: "Vins",
      creditLimit: { amount: 1_000_000_000, currency: "USD" },
    };
    expect((await system.post("/customers", customer)).status).toBe(201);
    const cancelled = await place();
    await place();
    expect((await system.post(`/orders/${cancelled}/cancel`, {})).status).toBe(200);
    await expect.poll(salesOfJuly, { timeout: 60_000 }).toMatchObject({ items: [{ month: "1996-07", orders: 1 }] });
    await system.stop();

    // Changed in place, it is refused, and so is a start.
    const versionOne = join(copy, "projections/sales-by-month.ts");
    const source = await readFile(versionOne, "utf8");
    await writeFile(versionOne, source.replace("[sale(data, 1)]", "[sale(data, 2)]"));
    const refused = await run([process.execPath, join(copy, "deploy/fingerprints.ts"), "--check"], copy);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("sales-by-month version 1") as string });
    await writeFile(versionOne, source);

    const [code = ""] = blocks("typescript");
    await writeFile(join(copy, "projections/sales-by-month.v2.ts"), code);
    const registry = join(copy, "projections/registry.ts");
    let registered = await readFile(registry, "utf8");
    for (const diff of blocks("diff")) {
      const before = diff.replaceAll(/^\+.*\n/gm, "").replaceAll(/^ /gm, "");
      const after = diff.replaceAll(/^[ +]/gm, "");
      expect(registered).toContain(before);
      registered = registered.replace(before, after);
    }
    await writeFile(registry, registered);
    await succeeds("npm run fingerprints");

    expect(commands.shift()).toBe("npm start");
    await start();
    expect(await versions()).toStrictEqual({ live: 1 });

    const preview = await succeeds("npx tidemark replay preview sales-by-month");
    for (const line of blocks("")
      .find((block) => block.startsWith("sales-by-month, version 2"))
      ?.split("\n") ?? []) {
      for (const words of line.split("...")) expect(preview).toContain(words.trimEnd());
    }
    expect(await versions()).toStrictEqual({ live: 1 });

    await place();
    const report = "sales-by-month.html";
    await succeeds(`npx tidemark replay start sales-by-month --soak 48 --report ${report}`);
    expect(await readFile(join(copy, report), "utf8")).toContain("another version of the projection");
    await place();
    expect(await versions()).toStrictEqual({ live: 1, joined: 2 });
    expect(await succeeds("npx tidemark replay status sales-by-month")).toContain(
      "swap makes it live, abort removes it",
    );
    expect(await succeeds("npx tidemark replay verify sales-by-month")).toContain(
      "every row and guard is what the events say",
    );

    await succeeds("npx tidemark replay swap sales-by-month");
    expect(await versions()).toStrictEqual({ soaking: 1, live: 2 });
    await place();
    await expect.poll(salesOfJuly, { timeout: 60_000 }).toMatchObject({ items: [{ orders: 4 }] });

    await succeeds("npx tidemark replay rollback sales-by-month");
    expect(await versions()).toStrictEqual({ soaking: 2, live: 1 });
    await place();
    await expect.poll(salesOfJuly, { timeout: 60_000 }).toMatchObject({ items: [{ orders: 5 }] });
    await succeeds("npx tidemark replay rollback sales-by-month");
    expect(await versions()).toStrictEqual({ soaking: 1, live: 2 });
    await expect.poll(salesOfJuly, { timeout: 60_000 }).toMatchObject({ items: [{ orders: 5 }] });

    await succeeds("npx tidemark replay retire sales-by-month");
    expect(await versions()).toStrictEqual({ live: 2 });
    expect(await succeeds("npx tidemark check sales-by-month")).toContain("agrees with its events");
    expect(commands).toStrictEqual([]);
  }, 300_000);
});
