/**
 * Gives delivery the time to bring into the live view what was in the log when its comparison began, as the consistency
 * check does: a row that has only not arrived yet must be told from one that is lost.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import type { History } from "../consistency/history.ts";
import type { SpilledMap } from "../consistency/spill.ts";
import { getItems, itemText } from "../consistency/table-items.ts";
import { guardOfItem, type ItemKey } from "../views/item.ts";

const firstPollMs = 25;
const longestPollMs = 500;

export interface GuardWait {
  readonly dynamodb: DynamoDBClient;
  readonly table: string;
  readonly waitForGuardsMs: number;
  /** Asked before each read: throws when the work is to stop. */
  readonly mayGoOn: () => void;
  /** Told when a wait begins, and until when it lasts. */
  readonly onWaiting: (wait: { readonly for: "guards"; readonly until: number }) => void;
}

/** Streams whose guards have not come to a revision, by name. */
export type Late = SpilledMap<{ readonly key: ItemKey; readonly revision: bigint }>;

/**
 * Of the streams that touch these rows, given by item text, those whose guards stay behind what the history knows of them
 * now, with the revision that each was to come to; they are put into `awaited`, which is empty.
 */
export async function lateStreams(
  { dynamodb, table, waitForGuardsMs, mayGoOn, onWaiting }: GuardWait,
  history: History,
  rows: Pick<SpilledMap<unknown>, "pages">,
  awaited: Late,
): Promise<Late> {
  for (const page of rows.pages()) for (const [row] of page) awaitGuards(history, row, awaited);
  const until = Date.now() + waitForGuardsMs;
  for (let poll = firstPollMs; ; poll = Math.min(2 * poll, longestPollMs)) {
    for (const page of awaited.pages()) {
      mayGoOn();
      const items = await getItems(
        dynamodb,
        table,
        page.map(([, { key }]) => key),
      );
      for (const [stream, { key, revision }] of page) {
        if ((guardOfItem(items.get(itemText(key)))?.revision ?? -1n) >= revision) awaited.delete(stream);
      }
    }
    const left = until - Date.now();
    if (awaited.size === 0 || left <= 0) return awaited;
    if (poll === firstPollMs) onWaiting({ for: "guards", until });
    await sleep(Math.min(poll, left));
  }
}

function awaitGuards(history: History, row: string, awaited: Late): void {
  for (const name of history.streamsOf(row)) {
    const { guardKey, applicable } = history.streams.get(name) ?? {};
    if (guardKey !== undefined && applicable !== undefined) {
      awaited.set(name, { key: guardKey, revision: applicable.revision });
    }
  }
}
