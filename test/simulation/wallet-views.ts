/** The two views of the histories, one of each kind, the events that they read, and those that they cannot take. */
import { z } from "zod";
import {
  defineOnePerStreamProjection,
  defineSharedProjection,
  type Projection,
} from "../../engine/views/projection.ts";

export const category = "wallet";

/** What is deployed: code that cannot take a refund, or the same code mended. */
export type Deployment = "faulty" | "mended";

export interface View {
  readonly name: string;
  readonly deployed: Readonly<Record<Deployment, Projection>>;
}

const empty = { version: 1, schema: z.strictObject({}) } as const;
const Paid = { version: 1, schema: z.strictObject({ shop: z.string(), cents: z.int() }) } as const;
const Labelled = { version: 1, schema: z.strictObject({ label: z.string() }) } as const;

/** Read by both views; `Unlisted` events are read by none. */
const eventTypes = {
  Paid,
  Labelled,
  LabelRemoved: empty,
  Emptied: empty,
  /** Until the code is mended no handler takes it. */
  Refunded: Paid,
  /** Until the code is mended no projector survives an invocation with it. */
  Overwhelming: empty,
} as const;

/** No version of the code can take it: its data are not what its type says. */
export const damaged = { type: "Paid", data: { shop: 0 } } as const;

/** What the code cannot take when it is deployed like this. */
export function isPoison({ type, data }: { readonly type: string; readonly data: unknown }, deployment: Deployment) {
  return (type === "Refunded" && deployment === "faulty") || (type === damaged.type && shopOf(data) === 0);
}

export function endsTheProjector({ type }: { readonly type: string }, deployment: Deployment): boolean {
  return type === "Overwhelming" && deployment === "faulty";
}

const shopOf = (data: unknown): unknown =>
  typeof data === "object" && data !== null && "shop" in data ? data.shop : undefined;

function refundable(deployment: Deployment): void {
  if (deployment === "faulty") throw new Error("nobody thought of refunds");
}

/** A row that is made, changed, deleted and made again; its guard outlives it. */
const walletsOf = (deployment: Deployment): Projection =>
  defineOnePerStreamProjection({
    name: "wallets",
    version: 1,
    category,
    eventTypes,
    rowOf: (id) => ({ partition: id, sort: "wallet" }),
    on: {
      Paid: ({ data: { shop, cents } }) => ({ set: { lastShop: shop }, add: { spent: cents, payments: 1 } }),
      Refunded: ({ data: { cents } }) => {
        refundable(deployment);
        return { add: { spent: -cents } };
      },
      Labelled: ({ data: { label } }) => ({ set: { label } }),
      LabelRemoved: () => ({ remove: ["label"] }),
      Emptied: () => ({ delete: true }),
      Overwhelming: () => ({ add: { overwhelmed: 1 } }),
    },
  });

/** Rows that every wallet adds to, one of which also bears a label that its wallet owns. */
const shopsOf = (deployment: Deployment): Projection =>
  defineSharedProjection({
    name: "shops",
    version: 1,
    categories: [category],
    eventTypes,
    owned: ["label"],
    on: {
      Labelled: ({ stream, data: { label } }) => [{ key: { partition: "wallet", sort: stream }, set: { label } }],
      LabelRemoved: ({ stream }) => [{ key: { partition: "wallet", sort: stream }, remove: ["label"] }],
      Paid: ({ data: { shop, cents } }) => [
        { key: { partition: "shop", sort: shop }, add: { cents, payments: 1 } },
        { key: { partition: "shop", sort: "all" }, add: { cents } },
      ],
      Refunded: ({ data: { shop, cents } }) => {
        refundable(deployment);
        return [{ key: { partition: "shop", sort: shop }, add: { cents: -cents } }];
      },
      Emptied: () => [{ key: { partition: "shop", sort: "all" }, add: { emptied: 1 } }],
      Overwhelming: () => [{ key: { partition: "shop", sort: "all" }, add: { overwhelmed: 1 } }],
    },
  });

const viewOf = (name: string, of: (deployment: Deployment) => Projection): View => ({
  name,
  deployed: { faulty: of("faulty"), mended: of("mended") },
});

export const wallets = viewOf("wallets", walletsOf);
export const shops = viewOf("shops", shopsOf);
