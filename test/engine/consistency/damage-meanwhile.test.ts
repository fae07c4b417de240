/** Damage that happens while a check runs: before each of its calls once. It or the next one finds it, and neither anything else. */
import { describe, expect, it } from "vitest";
import { checkView } from "../../../engine/consistency/check.ts";
import type { CheckReport } from "../../../engine/consistency/generation-check.ts";
import { rowItemKey } from "../../../engine/views/item.ts";
import type { RowKey } from "../../../engine/views/projection.ts";
import { interceptedDynamoDB, InterceptedEventStore } from "../replay/replay-for-test.ts";
import { useStores } from "./stores-for-views.ts";
import { type Kind, moved, opened, purposeKey, type ViewUnderCheck, walletKey } from "./view-under-check.ts";

const stores = useStores();
const kinds: readonly Kind[] = ["one-per-stream", "shared"];

interface Damage {
  readonly what: string;
  readonly damage: (view: ViewUnderCheck, key: RowKey) => Promise<void>;
  /** Of what the next check finds. */
  readonly kind: string;
}

/** Before each of a check's calls in the proof, and before every other one otherwise. */
const stride = process.env["TIDEMARK_PROOF"] === undefined ? 2 : 1;

const damages: readonly Damage[] = [
  { what: "a row is changed", damage: (view, key) => view.damageRow(key, "extra", 1), kind: "row-differs" },
  { what: "a row is removed", damage: (view, key) => view.remove(rowItemKey(key)), kind: "row-missing" },
  {
    what: "a row is added",
    damage: (view) => view.damageRow({ partition: "nobody", sort: "knows" }, "extra", 1),
    kind: "row-unexpected",
  },
  {
    what: "a guard is raised",
    damage: async (view) => view.damageGuard("w1", { ...(await view.guardAt("w1", 2n)), revision: 9n }),
    kind: "guard-ahead",
  },
];

/** `w1` is the one that is damaged, `w2` and `w3` go on; the rows of `rent` are of `w1` alone. */
async function filled(kind: Kind): Promise<{ readonly view: ViewUnderCheck; readonly key: RowKey }> {
  const view = await stores.view(kind);
  await view.append("w1", opened, moved(5, "rent"), moved(-2, "rent"));
  await view.append("w2", opened, moved(10));
  await view.append("w3", opened, moved(20));
  await view.deliver();
  return { view, key: kind === "shared" ? purposeKey("rent") : walletKey("w1") };
}

/** Checks, and does `meanwhile` before the call of that number. False when it made fewer. */
async function checked(
  view: ViewUnderCheck,
  call: number,
  meanwhile: () => Promise<void>,
): Promise<{ readonly report: CheckReport; readonly isDone: boolean }> {
  let calls = 0;
  let isDone = false;
  const before = async (): Promise<void> => {
    if (isDone || (calls += 1) < call) return;
    isDone = true;
    await meanwhile();
  };
  const dynamodb = interceptedDynamoDB(async (_, send) => {
    await before();
    return send();
  });
  const eventStore = new InterceptedEventStore(view.store, before);
  const { catalog, quarantine, projection } = view;
  const options = { waitForGuardsMs: 5_000 };
  const report = await checkView({ dynamodb, eventStore, catalog, quarantine }, projection.name, [projection], options);
  dynamodb.destroy();
  return { report, isDone };
}

describe.each(kinds)("while a view of rows that are %s is checked", (kind) => {
  it.each(damages)(
    "$what, and it or the next check tells, and nothing else",
    async ({ damage, kind: found }) => {
      const seen: number[] = [];
      for (let call = 1; ; call += stride) {
        const { view, key } = await filled(kind);
        const { report, isDone } = await checked(view, call, async () => {
          // Right events come at the same moment.
          await view.append("w2", moved(1));
          await damage(view, key);
          await view.append("w4", opened, moved(2));
          await view.deliver((await view.events()).slice(-3));
        });
        if (!isDone) break;
        // The guard of a row that one stream owns goes with it.
        const ofRow = kind === "one-per-stream" && found === "row-missing" ? [found, "guard-behind"] : [found];
        const first = report.differences.map((difference) => difference.kind);
        expect([call, report.undecided, first.filter((one) => !ofRow.includes(one))]).toStrictEqual([call, [], []]);
        const next = await view.check();
        expect([call, next.undecided, next.differences.map((difference) => difference.kind)]).toStrictEqual([
          call,
          [],
          ofRow,
        ]);
        seen.push(first.length);
      }
      // Damage before the first call is found at once.
      expect(seen.length).toBeGreaterThan(stride === 1 ? 3 : 1);
      expect(seen[0]).toBeGreaterThan(0);
    },
    120_000,
  );
});
