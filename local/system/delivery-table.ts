/** Delivery as a table for people: a row per view and process, numbers to the right. */
import type { DeliveryStatus, SubscriptionDelivery } from "./delivery-status.ts";

const boundSigns = { exact: "", "at least": ">=", "at most": "<=", about: "~" } as const;

interface Column {
  readonly title: string;
  readonly align: "left" | "right";
  readonly cell: (subscription: SubscriptionDelivery) => string;
}

const unknown = "?";

const columns: readonly Column[] = [
  { title: "delivery", align: "left", cell: ({ name }) => name },
  { title: "live generation", align: "left", cell: ({ generation = "-" }) => generation },
  {
    title: "lag",
    align: "right",
    cell: ({ lag }) => ("unknown" in lag ? unknown : `${boundSigns[lag.bound]}${lag.events}`),
  },
  { title: "oldest", align: "right", cell: ({ lag }) => ("unknown" in lag ? unknown : duration(lag)) },
  { title: "batches/s", align: "right", cell: ({ subscriber }) => subscriber?.batchesPerSecond.toFixed(1) ?? unknown },
  { title: "in flight", align: "right", cell: ({ subscriber }) => subscriber?.inFlight.toString() ?? unknown },
  { title: "retries", align: "right", cell: ({ subscriber }) => subscriber?.waiting.toString() ?? unknown },
];

/** Only where somebody counts it. */
const quarantined: Column = {
  title: "quarantined",
  align: "right",
  // What is no view and no process gives nothing up.
  cell: (subscription) => subscription.quarantined?.toString() ?? "-",
};

/** The lines of the table, and below it why a lag is not known. */
export function deliveryTable(status: DeliveryStatus): readonly string[] {
  if ("unknown" in status) return [`delivery     not known: ${status.unknown}`];
  const { subscriptions } = status;
  const isCounted = subscriptions.some((subscription) => subscription.quarantined !== undefined);
  const shown = isCounted ? [...columns, quarantined] : columns;
  const rows = [shown.map(({ title }) => title), ...subscriptions.map((each) => shown.map(({ cell }) => cell(each)))];
  const widths = shown.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, index) => {
        const width = widths[index] ?? 0;
        return shown[index]?.align === "left" ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd(),
  );
  return [...lines, ...subscriptions.flatMap(explanation)];
}

function explanation({ name, lag, subscriber }: SubscriptionDelivery): string[] {
  return [
    ...("unknown" in lag ? [`${name}: lag not known: ${lag.unknown}`] : []),
    ...(subscriber?.connected === false ? [`${name}: the subscriber is not connected to its subscription`] : []),
  ];
}

/** Whole units: nobody acts on the difference. */
function duration({ events, seconds }: { readonly events: number; readonly seconds: number }): string {
  if (events === 0) return "-";
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  const minutes = seconds / 60;
  if (minutes < 100) return `${Math.floor(minutes)} min`;
  return `${Math.floor(minutes / 60)} h`;
}
