import { expect, it } from "vitest";
import type { SubscriptionDelivery } from "../../../local/system/delivery-status.ts";
import { deliveryTable } from "../../../local/system/delivery-table.ts";

const subscriber = {
  ...{ group: "g", connected: true, held: 12, inFlight: 5, waiting: 3, batchesPerSecond: 2.345, eventsPerSecond: 20 },
  ...{ acknowledged: 100, invocations: 40, failedInvocations: 1 },
};

const late: SubscriptionDelivery = {
  name: "sales-by-month",
  generation: "g2",
  version: 1,
  lag: { events: 1_200, bound: "exact", seconds: 59.01 },
  subscriber,
};

it("shows what is known, with the bound of each number, and says why something is not", () => {
  const subscriptions: readonly SubscriptionDelivery[] = [
    late,
    {
      name: "far",
      lag: { events: 20_000, bound: "at least", seconds: 5_999 },
      subscriber: { ...subscriber, connected: false },
    },
    { name: "remind", lag: { events: 3, bound: "at most", seconds: 7_200 } },
    { name: "prune", lag: { events: 4, bound: "about", seconds: 0 } },
    { name: "idle", lag: { events: 0, bound: "exact", seconds: 0 } },
    { name: "gone", lag: { unknown: "its table is not there" } },
  ];
  expect(deliveryTable({ subscriptions })).toStrictEqual([
    "delivery        live generation      lag  oldest  batches/s  in flight  retries",
    "sales-by-month  g2                  1200    60 s        2.3          5        3",
    "far             -                >=20000  99 min        2.3          5        3",
    "remind          -                    <=3     2 h          ?          ?        ?",
    "prune           -                     ~4     0 s          ?          ?        ?",
    "idle            -                      0       -          ?          ?        ?",
    "gone            -                      ?       ?          ?          ?        ?",
    "far: the subscriber is not connected to its subscription",
    "gone: lag not known: its table is not there",
  ]);
});

it("has a column of the quarantine only where somebody counts it", () => {
  expect(deliveryTable({ subscriptions: [{ ...late, quarantined: 2 }] })).toStrictEqual([
    "delivery        live generation   lag  oldest  batches/s  in flight  retries  quarantined",
    "sales-by-month  g2               1200    60 s        2.3          5        3            2",
  ]);
});

it("is a line with the reason where nothing is known", () => {
  expect(deliveryTable({ unknown: "no answer" })).toStrictEqual(["delivery     not known: no answer"]);
});
