/**
 * Orders that come in at a steady rate, as patient clients send them: what fails by waiting is sent again with its key, so that
 * each ends in an acknowledgement. It remembers what was acknowledged, and with that what the views have to show in the end.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { PatientApi } from "../../local/sample-data/patient-api.ts";
import { importCustomer, importSale } from "../../local/sample-data/sale-import.ts";

/** What becomes of an order: `left` is one of which its client hears no more, so that its process confirms it. */
export type Fate = "left" | "confirmed" | "cancelled" | "completed";

const statusAfter = {
  left: "confirmed",
  confirmed: "confirmed",
  cancelled: "cancelled",
  completed: "completed",
} as const;

/** What the views show of the orders of a load, or have to. */
export interface Picture {
  /** Id and status of each row, sorted: an order that is there twice is listed twice. */
  readonly orders: readonly string[];
  /** Of the month in which all of them are placed. */
  readonly sales: { readonly orders: number; readonly revenue: number };
  /** Credit reserved by the process, by customer. */
  readonly reserved: Readonly<Record<string, number>>;
}

export interface Pace {
  readonly perSecond: number;
  /** Orders under way; further ones wait until one is done. */
  readonly atOnce: number;
}

const usd = (amount: number) => ({ amount, currency: "USD" });
const month = "2020-02";
const orderedAt = `${month}-01T00:00:00.000Z`;
const lines = [{ productId: "11", quantity: 3, unitPrice: usd(500), discountPercent: 10 }];
const total = usd(1_350);
const shipment = { carrier: "Speedy Express", freight: usd(250), dispatchedAt: orderedAt };

/** As many orders has a customer: who has thousands open is none of those that a load is to be like. */
const ordersOfCustomer = 40;

/** With time for a few restarts on a busy machine. */
const patience = { first: 60_000, later: 300_000, untold: 300_000 };

const pageSchema = z.object({
  items: z.array(z.object({ orderId: z.string(), status: z.string() })),
  cursor: z.string().optional(),
});
const customerSchema = z.object({ reserved: z.object({ amount: z.int() }) });
const salesSchema = z.object({
  items: z.array(z.object({ month: z.string(), orders: z.int(), revenue: z.object({ amount: z.int() }) })),
});

export class OrderLoad {
  readonly #url: string;
  readonly #fates: readonly [Fate, ...Fate[]];
  readonly #api: PatientApi;
  readonly #customers = new Map<string, Promise<void>>();
  readonly #acknowledged: { readonly orderId: string; readonly customerId: string; readonly fate: Fate }[] = [];
  /** Requests are never given up by us. */
  readonly #going = new AbortController().signal;
  #asked = 0;

  /** Orders meet the fates in turn. */
  constructor(url: string, fates: readonly [Fate, ...Fate[]]) {
    this.#url = url;
    this.#fates = fates;
    this.#api = new PatientApi(new URL(url), () => undefined, patience);
  }

  /** Orders that met their fate, each acknowledged. */
  get acknowledged(): number {
    return this.#acknowledged.length;
  }

  /** Until `pause` is aborted and every order under way is acknowledged. Throws what a request was refused with. */
  async run({ perSecond, atOnce }: Pace, pause: AbortSignal): Promise<void> {
    const underWay = new Set<Promise<void>>();
    const failures: unknown[] = [];
    let due = performance.now();
    while (!pause.aborted && failures.length === 0) {
      const order: Promise<void> = this.#takeNext()
        .catch((error: unknown) => void failures.push(error))
        .finally(() => underWay.delete(order));
      underWay.add(order);
      while (underWay.size >= atOnce) await Promise.race(underWay);
      // Who had to wait goes on at the same rate, not with all of them at once.
      due = Math.max(due + 1_000 / perSecond, performance.now());
      await sleep(Math.max(0, due - performance.now()), undefined, { signal: pause }).catch(() => undefined);
    }
    await Promise.all(underWay);
    if (failures.length > 0) throw failures[0];
  }

  /** What the views have to show. Of a load that is paused. */
  get promised(): Picture {
    const standing = this.#acknowledged.filter(({ fate }) => fate !== "cancelled");
    const reserved = Object.fromEntries([...this.#customers.keys()].map((customerId) => [customerId, 0]));
    for (const { customerId, fate } of standing)
      if (fate !== "completed") reserved[customerId] = (reserved[customerId] ?? 0) + total.amount;
    return {
      orders: this.#acknowledged.map(({ orderId, fate }) => `${orderId} ${statusAfter[fate]}`).sort(),
      sales: { orders: standing.length, revenue: standing.length * total.amount },
      reserved,
    };
  }

  /** What the views show. Throws when one cannot be read. */
  async seen(): Promise<Picture> {
    const orders: string[] = [];
    const reserved: Record<string, number> = {};
    for (const customerId of this.#customers.keys()) {
      let cursor: string | undefined;
      do {
        const after = cursor === undefined ? "" : `&cursor=${cursor}`;
        const page = pageSchema.parse(await this.#get(`/orders?customerId=${customerId}&limit=100${after}`));
        orders.push(...page.items.map(({ orderId, status }) => `${orderId} ${status}`));
        cursor = page.cursor;
      } while (cursor !== undefined);
      reserved[customerId] = customerSchema.parse(await this.#get(`/customers/${customerId}`)).reserved.amount;
    }
    const { items } = salesSchema.parse(await this.#get("/views/sales-by-month"));
    const sales = items.find((item) => item.month === month);
    return {
      orders: orders.sort(),
      sales: { orders: sales?.orders ?? 0, revenue: sales?.revenue.amount ?? 0 },
      reserved,
    };
  }

  async #get(path: string): Promise<unknown> {
    const response = await fetch(this.#url + path, { signal: AbortSignal.timeout(30_000) });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async #takeNext(): Promise<void> {
    const number = this.#asked;
    this.#asked += 1;
    const orderId = `load-${number}`;
    const customerId = `load-${Math.floor(number / ordersOfCustomer)}`;
    const fate = this.#fates[number % this.#fates.length] ?? this.#fates[0];
    await this.#registered(customerId);
    await this.#take(orderId, customerId, fate);
    this.#acknowledged.push({ orderId, customerId, fate });
  }

  async #take(orderId: string, customerId: string, fate: Fate): Promise<void> {
    const order = { orderId, customerId, orderedAt, lines };
    if (fate === "completed") return importSale(this.#api, { order, total, shipment }, this.#going);
    await this.#post(orderId, "/orders", order);
    if (fate === "confirmed") await this.#post(orderId, `/orders/${orderId}/confirm`, {});
    if (fate === "cancelled") await this.#post(orderId, `/orders/${orderId}/cancel`, {});
  }

  async #post(orderId: string, path: string, body: object): Promise<void> {
    await this.#api.post({ what: `order ${orderId}`, path, key: `${orderId}${path}`, body }, this.#going);
  }

  #registered(customerId: string): Promise<void> {
    const before = this.#customers.get(customerId);
    if (before !== undefined) return before;
    const customer = { customerId, name: customerId, creditLimit: usd(100_000_000) };
    const registering = importCustomer(this.#api, customer, this.#going);
    this.#customers.set(customerId, registering);
    return registering;
  }
}
