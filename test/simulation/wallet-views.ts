/** The two views of the histories, one of each kind, and the events that they read. */
import { z } from "zod";
import { defineOnePerStreamProjection, defineSharedProjection } from "../../engine/views/projection.ts";

export const category = "wallet";

const empty = { version: 1, schema: z.strictObject({}) } as const;
const Paid = { version: 1, schema: z.strictObject({ shop: z.string(), cents: z.int() }) } as const;
const Labelled = { version: 1, schema: z.strictObject({ label: z.string() }) } as const;

/** A row that is made, changed, deleted and made again; its guard outlives it. */
export const wallets = defineOnePerStreamProjection({
  name: "wallets",
  version: 1,
  category,
  eventTypes: {
    Paid,
    Labelled,
    LabelRemoved: empty,
    Emptied: empty,
  },
  rowOf: (id) => ({ partition: id, sort: "wallet" }),
  on: {
    Paid: ({ data: { shop, cents } }) => ({ set: { lastShop: shop }, add: { spent: cents, payments: 1 } }),
    Labelled: ({ data: { label } }) => ({ set: { label } }),
    LabelRemoved: () => ({ remove: ["label"] }),
    Emptied: () => ({ delete: true }),
  },
});

/** Rows that every wallet adds to, one of which also bears a label that its wallet owns. */
export const shops = defineSharedProjection({
  name: "shops",
  version: 1,
  categories: [category],
  eventTypes: { Paid, Labelled, LabelRemoved: empty, Emptied: empty },
  owned: ["label"],
  on: {
    Labelled: ({ stream, data: { label } }) => [{ key: { partition: "wallet", sort: stream }, set: { label } }],
    LabelRemoved: ({ stream }) => [{ key: { partition: "wallet", sort: stream }, remove: ["label"] }],
    Paid: ({ data: { shop, cents } }) => [
      { key: { partition: "shop", sort: shop }, add: { cents, payments: 1 } },
      { key: { partition: "shop", sort: "all" }, add: { cents } },
    ],
    Emptied: () => [{ key: { partition: "shop", sort: "all" }, add: { emptied: 1 } }],
  },
});
