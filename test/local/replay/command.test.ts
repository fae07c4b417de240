/** `tidemark replay`: how it is called, what it says while it works, and when it says what it did. */
import { z } from "zod";
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
    expect(stdout.split("\n")[0]).toBe("Usage: tidemark replay [options] [action] <view...>");
  });

  it.each([
    [["sales-by-month", "--until", "0/0"], "OPTION_WITHOUT_USE", "run has no use for --until: leave it out"],
    [["abort", "sales-by-month", "--from", "0/0"], "OPTION_WITHOUT_USE", "abort has no use for --from: leave it out"],
    [["swap", "sales-by-month", "--auto-swap"], "OPTION_WITHOUT_USE", "swap has no use for --auto-swap: leave it out"],
    [["start", "sales-by-month", "--until", "0/0"], "UNTIL_WITHOUT_NAME", "name it by --as"],
    [["start", "sales-by-month", "--as", "q3", "--auto-swap"], "NAME_WITH_SWAP", "is never swapped in"],
    [["verify", "sales-by-month", "--report", "it.pdf"], "REPORT_FORMAT", "end its name with .html, .json or .txt"],
    [["swap", "sales-by-month", "order-summary"], "ONE_VIEW", "swap is for one view at a time"],
    [["undo", "sales-by-month"], "UNKNOWN_ACTION", 'there is no action "undo", nor a view of that name'],
    [["swap"], "VIEW_MISSING", "say which view to swap"],
  ] as const)("refuses %j", async (words, expected, says) => {
    const { code, stdout, stderr } = await runTidemark("replay", ...words, "--json");
    expect({ code, stdout }).toStrictEqual({ code: 2, stdout: "" });
    const { error } = z
      .object({ error: z.object({ code: z.string(), message: z.string() }) })
      .parse(JSON.parse(stderr));
    expect(error.code).toBe(expected);
    expect(error.message).toContain(says);
  });

  it.each(["--rate", "--soak"])("refuses %s that is no number above 0", async (flag) => {
    for (const value of ["0", "-1", "soon"]) {
      const { code, stderr } = await runTidemark("replay", "start", "sales-by-month", flag, value);
      expect(code).toBe(2);
      expect(stderr).toContain("Give a number above 0.");
    }
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
    const run = runInForeground([view.replay({ dynamodb })], { json: true, autoSwap: true });
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
    const error = await rejection(runInForeground([view.replay({ dynamodb })], { autoSwap: true }));
    dynamodb.destroy();
    const { id } = await view.generation("live");
    expect(logged()[0]).toContain(`owned is rebuilt and live: generation ${id}, version 1, in `);
    expect(error).toMatchObject({
      code: "RETIREMENT_FAILED",
      message:
        "owned is live as reported, but what soaked before could not be removed: no such luck; the next replay removes it",
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
    await runInForeground([view.replay()], {
      autoSwap: true,
      ...(event === undefined ? {} : { from: event.position }),
    });
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
    const run = runInForeground([view.replay()], { autoSwap: true });
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
