/** Who waits for a stream reads the generation that it was applied to, whatever was live a moment before. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { catchUp } from "../../../engine/delivery/catch-up.ts";
import { createLogger } from "../../../engine/http/logger.ts";
import { retryLimitsSchema } from "../../../engine/quarantine/retry-limits.ts";
import { transit } from "../../../engine/replay/transitions.ts";
import { readAtLeast } from "../../../engine/views/at-least.ts";
import { ViewReader } from "../../../engine/views/view-reader.ts";
import { ViewForReplay } from "../replay/replay-for-test.ts";
import { changed, owned } from "./views-for-test.ts";

describe("a reader that waits for a stream", () => {
  let view: ViewForReplay;

  beforeAll(async () => {
    view = await ViewForReplay.start(owned);
    await view.replay().run();
    await view.replay().run();
  });

  afterAll(() => view.stop());

  it("does not go on with the generation that was live before a swap, when that is written no more", async () => {
    const { dynamodb, eventStore, catalog, quarantine } = view;
    const limits = retryLimitsSchema.parse({});
    const log = createLogger("test", { level: "silent" });
    const reader = new ViewReader(dynamodb, catalog);
    const id = randomUUID();
    const stream = `account-${id}`;
    const former = await view.generation("live");
    expect(await reader.get(view.name, owned.rowOf(id))).toBeUndefined();
    await view.replay().rollback();
    await transit({ catalog, view: view.name, versions: [owned] }, former.id, "block", { blocked: "a write failed" });
    await view.append(stream, [changed({ add: { sum: 3 } })]);
    await readAtLeast(
      {
        reader,
        projection: owned,
        waitMs: 5_000,
        ask: (upTo) => catchUp({ dynamodb, eventStore, catalog, quarantine, limits, log }, [owned], upTo),
      },
      [{ stream, revision: 0n }],
    );
    expect(await reader.get(view.name, owned.rowOf(id))).toMatchObject({
      generation: (await view.generation("live")).id,
      attributes: { sum: 3 },
    });
  });
});
