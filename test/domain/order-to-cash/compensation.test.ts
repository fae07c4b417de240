/** What is taken back, and in which order, when an order is refused, cancelled, or its goods do not reach the customer. */
import { describe, expect, it } from "vitest";
import type { ProcessEnding } from "../../../domain/order-to-cash/events.ts";
import type { ProcessRequest } from "../../../domain/order-to-cash/requests.ts";
import {
  accepted,
  allAccepted,
  askedFor,
  because,
  type Heard,
  refused,
  requests,
  untilInvoiced,
  untilScheduled,
} from "./story.ts";

const { reserve, confirm, schedule, invoice, complete, release, markOverdue } = requests;
const scheduled = [reserve, confirm, schedule];
const invoiced = [...scheduled, invoice];
const cancelledBy = (step: "cancel-shipment" | "credit-invoice") => because(step, "the order was cancelled");
const failed = "the shipment was lost: sunk";

interface Story {
  readonly name: string;
  readonly hears: readonly Heard[];
  readonly asks: readonly (ProcessRequest | ProcessEnding)[];
}

function itTells(stories: readonly Story[]): void {
  it.each(stories)("$name", ({ hears, asks }) => {
    expect(askedFor(...hears)).toStrictEqual(asks);
  });
}

describe("an order that is cancelled", () => {
  itTells([
    { name: "before the process heard of it", hears: ["withdrawn", "received"], asks: ["cancelled"] },
    {
      name: "before its credit is reserved",
      hears: ["received", "withdrawn", ...allAccepted("reserve-credit", "release-credit")],
      asks: [reserve, release, "cancelled"],
    },
    {
      name: "before its credit is refused",
      hears: ["received", "withdrawn", refused("reserve-credit", "CUSTOMER_SUSPENDED"), accepted("release-credit")],
      asks: [reserve, release, "cancelled"],
    },
    {
      name: "before it is confirmed, and the process hears it by the refusal",
      hears: [
        "received",
        accepted("reserve-credit"),
        refused("confirm-order", "ORDER_CANCELLED"),
        accepted("release-credit"),
        "withdrawn",
      ],
      asks: [reserve, confirm, release, "cancelled"],
    },
    {
      name: "by sales, which rejects it by hand",
      hears: [
        "received",
        accepted("reserve-credit"),
        refused("confirm-order", "ORDER_REJECTED"),
        accepted("release-credit"),
      ],
      asks: [reserve, confirm, release, "cancelled"],
    },
    {
      name: "before its shipment is scheduled",
      hears: [
        "received",
        ...allAccepted("reserve-credit", "confirm-order"),
        "withdrawn",
        ...allAccepted("schedule-shipment", "cancel-shipment", "release-credit"),
      ],
      asks: [...scheduled, cancelledBy("cancel-shipment"), release, "cancelled"],
    },
    {
      name: "before its goods are dispatched",
      hears: [...untilScheduled, "withdrawn", ...allAccepted("cancel-shipment", "release-credit")],
      asks: [...scheduled, cancelledBy("cancel-shipment"), release, "cancelled"],
    },
    {
      name: "after they are dispatched, before the process heard of it",
      hears: [...untilScheduled, "withdrawn", "dispatched", ...allAccepted("cancel-shipment", "release-credit")],
      asks: [...scheduled, cancelledBy("cancel-shipment"), release, "cancelled"],
    },
    {
      name: "after they are dispatched and invoiced",
      hears: [...untilInvoiced, "withdrawn", ...allAccepted("cancel-shipment", "credit-invoice", "release-credit")],
      asks: [...invoiced, cancelledBy("cancel-shipment"), cancelledBy("credit-invoice"), release, "cancelled"],
    },
    {
      name: "after they are delivered: they stay with the customer",
      hears: [
        ...untilInvoiced,
        "delivered",
        "withdrawn",
        refused("cancel-shipment", "SHIPMENT_DELIVERED"),
        ...allAccepted("credit-invoice", "release-credit"),
      ],
      asks: [...invoiced, cancelledBy("cancel-shipment"), cancelledBy("credit-invoice"), release, "cancelled"],
    },
    {
      name: "after its invoice was voided by hand",
      hears: [
        ...untilInvoiced,
        "voided",
        "withdrawn",
        accepted("cancel-shipment"),
        refused("credit-invoice", "INVOICE_VOID"),
        accepted("release-credit"),
      ],
      asks: [...invoiced, cancelledBy("cancel-shipment"), cancelledBy("credit-invoice"), release, "cancelled"],
    },
    {
      name: "when all is there and it would be completed",
      hears: [
        ...untilInvoiced,
        "paid",
        "delivered",
        refused("complete-order", "ORDER_CANCELLED"),
        refused("cancel-shipment", "SHIPMENT_DELIVERED"),
        ...allAccepted("credit-invoice", "release-credit"),
        "withdrawn",
      ],
      asks: [
        ...invoiced,
        complete,
        cancelledBy("cancel-shipment"),
        cancelledBy("credit-invoice"),
        release,
        "cancelled",
      ],
    },
  ]);
});

describe("an order whose credit is refused", () => {
  const codes = [
    "CUSTOMER_NOT_FOUND",
    "CUSTOMER_SUSPENDED",
    "CREDIT_LIMIT_EXCEEDED",
    "CREDIT_CURRENCY_MISMATCH",
    "RESERVATION_RELEASED",
  ];
  const rejection = (code: string) => because("reject-order", `${code}: because`);

  itTells([
    ...codes.map(
      (code) =>
        ({
          name: `is rejected for that reason, and its credit released in case a copy comes late: ${code}`,
          hears: ["received", refused("reserve-credit", code), ...allAccepted("reject-order", "release-credit")],
          asks: [reserve, rejection(code), release, "rejected"],
        }) satisfies Story,
    ),
    {
      name: "is rejected also when the process hears of its own rejection first",
      hears: [
        "received",
        refused("reserve-credit", "CREDIT_LIMIT_EXCEEDED"),
        "withdrawn",
        ...allAccepted("reject-order", "release-credit"),
      ],
      asks: [reserve, rejection("CREDIT_LIMIT_EXCEEDED"), release, "rejected"],
    },
    {
      name: "is left completed when sales has completed it meanwhile, and counts as cancelled",
      hears: [
        "received",
        refused("reserve-credit", "CREDIT_LIMIT_EXCEEDED"),
        refused("reject-order", "ORDER_COMPLETED"),
        accepted("release-credit"),
      ],
      asks: [reserve, rejection("CREDIT_LIMIT_EXCEEDED"), release, "cancelled"],
    },
    {
      name: "counts as cancelled when it was cancelled meanwhile",
      hears: [
        "received",
        refused("reserve-credit", "CREDIT_LIMIT_EXCEEDED"),
        refused("reject-order", "ORDER_CANCELLED"),
        accepted("release-credit"),
      ],
      asks: [reserve, rejection("CREDIT_LIMIT_EXCEEDED"), release, "cancelled"],
    },
    {
      name: "is rejected for a reason of at most 500 characters",
      hears: ["received", refused("reserve-credit", "CUSTOMER_SUSPENDED", "x".repeat(600))],
      asks: [reserve, because("reject-order", `CUSTOMER_SUSPENDED: ${"x".repeat(480)}`)],
    },
    {
      name: "is rejected for a reason that ends with a whole character",
      hears: ["received", refused("reserve-credit", "CUSTOMER_SUSPENDED", `${"x".repeat(479)}😀😀`)],
      asks: [reserve, because("reject-order", `CUSTOMER_SUSPENDED: ${"x".repeat(479)}`)],
    },
  ]);
});

describe("goods that do not reach the customer", () => {
  const takenBack = [because("cancel-order", failed), because("credit-invoice", failed), release, "cancelled"] as const;

  itTells([
    {
      name: "lost before the invoice is paid",
      hears: [...untilInvoiced, "lost", ...allAccepted("cancel-order", "credit-invoice", "release-credit")],
      asks: [...invoiced, ...takenBack],
    },
    {
      name: "lost after the invoice is paid: the credit note gives the money back",
      hears: [...untilInvoiced, "paid", "lost", ...allAccepted("cancel-order", "credit-invoice", "release-credit")],
      asks: [...invoiced, ...takenBack],
    },
    {
      name: "lost, and the order was cancelled at the same time",
      hears: [
        ...untilInvoiced,
        "lost",
        "withdrawn",
        ...allAccepted("cancel-order", "credit-invoice", "release-credit"),
      ],
      asks: [...invoiced, ...takenBack],
    },
    {
      name: "lost after the order was cancelled: the shipment needs no calling back",
      hears: [
        ...untilInvoiced,
        "lost",
        accepted("cancel-order"),
        "withdrawn",
        ...allAccepted("credit-invoice", "release-credit"),
      ],
      asks: [...invoiced, ...takenBack],
    },
    {
      name: "lost, of an order that sales rejected by hand",
      hears: [
        ...untilInvoiced,
        "lost",
        refused("cancel-order", "ORDER_REJECTED"),
        ...allAccepted("credit-invoice", "release-credit"),
      ],
      asks: [...invoiced, ...takenBack],
    },
    {
      name: "called off by logistics",
      hears: [...untilScheduled, "calledOff", ...allAccepted("cancel-order", "release-credit")],
      asks: [...scheduled, because("cancel-order", "the shipment was cancelled: no stock"), release, "cancelled"],
    },
  ]);
});

describe("an invoice that is overdue", () => {
  const passes: Heard = {
    type: "PassDeadline",
    name: "payment",
    dueAt: "2026-03-31T11:59:00.000Z",
    at: "2026-04-01T00:00:00.000Z",
  };

  itTells([
    {
      name: "is marked so, and the order is completed when it is paid after all",
      hears: [
        ...untilInvoiced,
        "delivered",
        passes,
        accepted("mark-overdue"),
        "paidPart",
        "paid",
        ...allAccepted("complete-order", "release-credit"),
      ],
      asks: [...invoiced, markOverdue, complete, release, "completed"],
    },
    ...["INVOICE_SETTLED", "INVOICE_VOID"].map(
      (code) =>
        ({
          name: `was paid or voided at the same time: ${code}`,
          hears: [
            ...untilInvoiced,
            "delivered",
            passes,
            refused("mark-overdue", code),
            "paid",
            ...allAccepted("complete-order", "release-credit"),
          ],
          asks: [...invoiced, markOverdue, complete, release, "completed"],
        }) satisfies Story,
    ),
  ]);
});
