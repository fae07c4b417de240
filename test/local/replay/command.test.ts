/** `tidemark replay`: how it is called, what it says while it works, and when it says what it did. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { runInForeground } from "../../../local/replay/foreground-replay.ts";
import { waitText } from "../../../local/replay/step-display.ts";
import { Gate, interceptedDynamoDB, kinds, startLiveView } from "../../engine/replay/replay-for-test.ts";
import { rejection } from "../eventstoredb/event-store-for-test.ts";
import { runTidemark } from "../../system/started-system.ts";

const [ownedKind, sharedKind] = kinds;

describe("tidemark replay", () => {
  it("shows the action before the view in its help", async () => {
    const { code, stdout } = await runTidemark("replay", "--help");
    expect(code).toBe(0);
    expect(stdout.split("\n")[0]).toBe("Usage: tidemark replay [options] [action] <view>");
  });

  it.each(["abort", "rollback", "retire"])("refuses --from with %s, which rebuilds nothing", async (action) => {
    const says = `--from says what a rebuilt view counts, and ${action} rebuilds none: leave it out`;
    const words = ["replay", action, "sales-by-month", "--from", "0/0"];
    expect(await runTidemark(...words)).toStrictEqual({ code: 2, stdout: "", stderr: `error: ${says}\n` });
    const { code, stdout, stderr } = await runTidemark(...words, "--json");
    expect({ code, stdout, stderr: JSON.parse(stderr) as unknown }).toStrictEqual({
      code: 2,
      stdout: "",
      stderr: { error: { code: "FROM_WITHOUT_RUN", message: says } },
    });
  });
});

describe("a replay in the foreground", () => {
  afterEach(() => vi.restoreAllMocks());

  /** What is written from here on, by stream and in order. */
  function output(): { readonly lines: string[]; readonly logged: () => string[] } {
    const lines: string[] = [];
    const logged: string[] = [];
    vi.spyOn(console, "log").mockImplementation((text: string) => {
      lines.push(text.split("\n")[0] ?? "");
      logged.push(text);
    });
    vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      lines.push(String(text).trimEnd());
      return true;
    });
    return { lines, logged: () => logged };
  }

  it("says what it did before what soaked is removed, as one JSON document", async () => {
    const view = await startLiveView(ownedKind);
    await view.replay().run();
    const former = await view.generation("live");
    const gate = new Gate();
    const dynamodb = interceptedDynamoDB(async ({ command }, send) => {
      if (command === "DeleteTable") await gate.pass();
      return send();
    });
    const { logged } = output();
    const run = runInForeground(view.replay({ dynamodb }), { json: true });
    await gate.reached;
    const before = logged().map((text) => JSON.parse(text) as unknown);
    gate.open();
    await run;
    dynamodb.destroy();
    const { id } = await view.generation("live");
    expect(before).toMatchObject([{ view: view.name, outcome: "live", generation: id, former: former.id }]);
    expect(logged().length).toBe(1);
  });

  it("says that the view is live when only the removal fails", async () => {
    const view = await startLiveView(ownedKind);
    await view.replay().run();
    const dynamodb = interceptedDynamoDB(({ command }, send) =>
      command === "DeleteTable" ? Promise.reject(new Error("no such luck")) : send(),
    );
    const { logged } = output();
    const error = await rejection(runInForeground(view.replay({ dynamodb }), {}));
    dynamodb.destroy();
    const { id } = await view.generation("live");
    expect(logged()[0]).toContain(`owned is rebuilt and live: generation ${id}, version 1, in `);
    expect(error).toMatchObject({
      code: "RETIREMENT_FAILED",
      message:
        "owned is live as reported, but what soaked before could not be removed: no such luck; the next replay removes it",
      exitCode: 1,
    });
    expect((await view.entry()).generations.map(({ role }) => role)).toStrictEqual(["retiring", "soaking", "live"]);
    await view.replay().resume();
    await view.expectNothingLeftBehind();
  });

  it("words what another offset counts", async () => {
    const view = await startLiveView(sharedKind);
    const [event] = await view.happen(sharedKind);
    await view.deliverAll();
    const { logged } = output();
    await runInForeground(view.replay(), event === undefined ? {} : { from: event.position });
    expect(
      logged()[0]
        ?.split("\n")
        .find((line) => line.startsWith("  live view")),
    ).toBe("  live view   0 rows as before, 0 mended, 5 left out or counted by another offset");
  });

  it("has a line for each wait, the one for a dead worker's lease above all", async () => {
    const view = await startLiveView(ownedKind);
    let isGone = false;
    const dynamodb = interceptedDynamoDB(({ command }, send) => {
      isGone ||= command === "BatchWriteItem";
      return isGone ? Promise.reject(new Error("its process is gone")) : send();
    });
    await expect(view.replay({ dynamodb, settings: { leaseMs: 60_000 } }).run()).rejects.toThrow("its process is gone");
    dynamodb.destroy();
    const { lines } = output();
    const run = runInForeground(view.replay(), {});
    await expect.poll(() => lines.some((line) => line.includes("waiting up to"))).toBe(true);
    await view.letLeasesRunOut();
    await run;
    const waits = lines.filter((line) => line.includes("waiting up to")).map((line) => line.replace(/\d+/, "N"));
    expect(waits[0]).toBe(
      "owned: waiting up to N s for the lease of a worker that is gone, or is at work and will renew it",
    );
  });
});

it.each([
  [
    { for: "lease", until: 15_001 },
    "waiting up to 16 s for the lease of a worker that is gone, or is at work and will renew it",
  ],
  [{ for: "late-writes", until: 10_000 }, "waiting up to 10 s for the last writes of a worker that is gone"],
  [{ for: "guards", until: 9_999 }, "waiting up to 10 s for events to arrive in the live view"],
  [{ for: "readers", until: 10 }, "waiting up to 1 s for readers to forget the generation that is to be removed"],
] as const)("the wait %j is said in one line", (wait, text) => {
  expect(waitText(wait, 0)).toBe(text);
});
