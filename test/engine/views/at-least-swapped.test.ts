/** An event that is yet to come when its reader begins to wait is in the rows that he is shown, whatever is swapped meanwhile. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { catchUp } from "../../../engine/delivery/catch-up.ts";
import { createLogger } from "../../../engine/http/logger.ts";
import { retryLimitsSchema } from "../../../engine/quarantine/retry-limits.ts";
import { readAtLeast } from "../../../engine/views/at-least.ts";
import { readerCacheMs, ViewReader } from "../../../engine/views/view-reader.ts";
import { InterceptedEventStore, startView } from "../replay/replay-for-test.ts";
import { changed, owned } from "./views-for-test.ts";

it("a reader that waits for an event which is yet to come finds it, also when the view is swapped between", async () => {
  const view = await startView(owned);
  await view.replay().run();
  const { dynamodb, catalog, quarantine } = view;
  const limits = retryLimitsSchema.parse({});
  const log = createLogger("test", { level: "silent" });
  const reader = new ViewReader(dynamodb, catalog);
  const id = randomUUID();
  const stream = `account-${id}`;
  const catalogRead = Promise.withResolvers<undefined>();
  const watched = Object.assign(Object.create(catalog) as typeof catalog, {
    read: async (name: string) => {
      const entry = await catalog.read(name);
      catalogRead.resolve(undefined);
      return entry;
    },
  });
  let swapped = false;
  const eventStore = new InterceptedEventStore(view.eventStore, async (read) => {
    if (read !== "readStream" || swapped) return;
    swapped = true;
    await Promise.race([catalogRead.promise, sleep(200)]);
    await view.replay().run();
    await view.append(stream, [changed({ add: { sum: 3 } })]);
    await sleep(readerCacheMs);
  });
  await readAtLeast(
    {
      reader,
      projection: owned,
      waitMs: 30_000,
      ask: (upTo) => catchUp({ dynamodb, eventStore, catalog: watched, quarantine, limits, log }, [owned], upTo),
    },
    [{ stream, revision: 0n }],
  );
  expect(await reader.get(view.name, owned.rowOf(id))).toMatchObject({ attributes: { sum: 3 } });
});
