/** A hint that was lost is found and made up for, without a look at any row; what is right is not looked at twice. */
import { describe, expect, it } from "vitest";
import { quickCheck, type QuickCheckOptions, type QuickCheckReport } from "../../../engine/consistency/quick-check.ts";
import { catchUp } from "../../../engine/delivery/catch-up.ts";
import type { StreamRevision } from "../../../engine/delivery/function-payload.ts";
import { comparePositions } from "../../../engine/event-store/position.ts";
import { createLogger } from "../../../engine/http/logger.ts";
import { retryLimitsSchema } from "../../../engine/quarantine/retry-limits.ts";
import { useStores } from "./stores-for-views.ts";
import { type Kind, moved, opened, unreadable, type ViewUnderCheck } from "./view-under-check.ts";

const stores = useStores();
const kinds: readonly Kind[] = ["one-per-stream", "shared"];
const limits = retryLimitsSchema.parse({ maximumRetryAttempts: 0 });
const log = createLogger("test", { level: "silent" });

function context({ dynamodb, store: eventStore, catalog, quarantine }: ViewUnderCheck) {
  return { dynamodb, eventStore, catalog, quarantine, catalogTable: stores.catalogTable };
}

/** As the projector does it. */
const applied = (view: ViewUnderCheck) => (upTo: StreamRevision) =>
  catchUp({ ...context(view), limits, log }, [view.projection], upTo);

const check = (view: ViewUnderCheck, options: Partial<QuickCheckOptions> = {}): Promise<QuickCheckReport> =>
  quickCheck(context(view), [view.projection], { heal: applied(view), waitForGuardsMs: 0, ...options });

describe.each(kinds)("a quick check of a view of rows that are %s", (kind) => {
  it("finds nothing where all is delivered, and begins behind that the next time", async () => {
    const view = await stores.view(kind);
    await view.append("w1", opened, moved(5));
    await view.append("w2", opened);
    await view.deliver();
    const first = await check(view);
    expect(first).toMatchObject({ generation: "g1", streams: 2, healed: [], waiting: [], behind: [] });
    await view.append("w2", moved(1));
    await view.deliver();
    const second = await check(view);
    expect(second).toMatchObject({ streams: 1, events: 1, behind: [] });
    expect(comparePositions(second.checkedTo, first.checkedTo)).toBe(1);
  });

  it("has events applied that were never delivered", async () => {
    const view = await stores.view(kind);
    await view.append("w1", opened, moved(5));
    await view.deliver();
    await view.append("w1", moved(3), moved(4));
    await view.append("w2", opened, moved(1));
    const found = await check(view);
    expect([...found.healed].sort((one, other) => (one.stream < other.stream ? -1 : 1))).toStrictEqual([
      { stream: view.streamOf("w1"), expected: 3n, actual: 1n },
      { stream: view.streamOf("w2"), expected: 1n, actual: -1n },
    ]);
    expect(await view.check()).toMatchObject({ differences: [], undecided: [] });
    expect(await check(view)).toMatchObject({ streams: 0, healed: [], behind: [] });
  });

  it("gives delivery the time that it takes", async () => {
    const view = await stores.view(kind);
    await view.append("w1", opened, moved(5));
    const asked: StreamRevision[] = [];
    const checking = check(view, {
      waitForGuardsMs: 10_000,
      heal: (upTo) => {
        asked.push(upTo);
        return Promise.resolve(undefined);
      },
    });
    setTimeout(() => void view.deliver(), 50);
    expect(await checking).toMatchObject({ streams: 1, healed: [], behind: [] });
    expect(asked).toStrictEqual([]);
  });

  it("looks again at what it could not have applied, until it is", async () => {
    const view = await stores.view(kind);
    await view.append("w1", opened, moved(5));
    const nobody = { heal: () => Promise.resolve(undefined) };
    const behind = [{ stream: view.streamOf("w1"), expected: 1n, actual: -1n }];
    expect(await check(view, nobody)).toMatchObject({ healed: [], behind });
    expect(await check(view, nobody)).toMatchObject({ healed: [], behind });
    expect(await check(view)).toMatchObject({ healed: behind, behind: [] });
    expect(await check(view)).toMatchObject({ streams: 0, behind: [] });
  });

  it("tells a stream that waits behind an event that was given up from one that was forgotten", async () => {
    const view = await stores.view(kind);
    await view.append("w1", opened, unreadable, moved(5));
    await view.deliver();
    expect(await check(view)).toMatchObject({ waiting: [], behind: [{ expected: 2n, actual: 0n }] });
    const quarantined = { heal: () => Promise.resolve({ catchUp: "quarantined" as const }) };
    expect(await check(view, quarantined)).toMatchObject({ waiting: [{ expected: 2n, actual: 0n }], behind: [] });
  });

  it("begins anew in another generation", async () => {
    const view = await stores.view(kind);
    await view.append("w1", opened, moved(5));
    await view.deliver();
    expect(await check(view)).toMatchObject({ behind: [] });
    await view.goLive("g2");
    expect(await check(view)).toMatchObject({ generation: "g2", healed: [{ stream: view.streamOf("w1") }] });
    expect(await view.check()).toMatchObject({ differences: [] });
  });
});
