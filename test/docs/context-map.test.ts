/** The drawings in `docs/context-map.md` are what the translations and the imports of the domain say, no more and no less. */
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { expect, it } from "vitest";
import { type ProcessRequest, requestSchema, stepSchema } from "../../domain/order-to-cash/requests.ts";
import { fromBilling } from "../../domain/order-to-cash/translations/billing.ts";
import { borders } from "../../domain/order-to-cash/translations/borders.ts";
import { contextCommand } from "../../domain/order-to-cash/translations/context-commands.ts";
import { fromCustomers } from "../../domain/order-to-cash/translations/customers.ts";
import { fromLogistics } from "../../domain/order-to-cash/translations/logistics.ts";
import { fromOrdering } from "../../domain/order-to-cash/translations/ordering.ts";

const domain = join(import.meta.dirname, "../../domain");
const page = await readFile(join(domain, "../docs/context-map.md"), "utf8");
const [contextMap = "", imports = ""] = [...page.matchAll(/^```mermaid\n(.*?)^```$/gms)].map(([, text = ""]) => text);

const inbound: Readonly<Record<string, Readonly<Record<string, { readonly to: string }>>>> = {
  ordering: fromOrdering,
  customers: fromCustomers,
  logistics: fromLogistics,
  billing: fromBilling,
};

/** One request for every step: what a step asks of whom does not depend on its content. */
const money = { amount: 1, currency: "USD" };
const content = {
  "reserve-credit": { customerId: "1", amount: money },
  "confirm-order": {},
  "reject-order": { reason: "because" },
  "schedule-shipment": { customerId: "1", items: [], currency: "USD" },
  "issue-invoice": { customerId: "1", goods: money, freight: money, issuedAt: "2026-01-01T00:00:00.000Z" },
  "mark-overdue": {},
  "complete-order": {},
  "cancel-order": { reason: "because" },
  "cancel-shipment": { reason: "because" },
  "credit-invoice": { reason: "because" },
  "release-credit": { customerId: "1" },
} satisfies Record<ProcessRequest["step"], object>;

const requests = [...stepSchema.values].map((step) => requestSchema.parse({ step, orderId: "1", ...content[step] }));

it("draws each event that is translated and each command that is asked for, by its context and direction", () => {
  const drawn = contextMap.split("\n").filter((line) => line.includes("-->"));
  const heard = Object.entries(inbound).flatMap(([context, translations]) =>
    Object.entries(translations).map(([type, { to }]) => `  ${context} -->|"${type} -> ${to}"| process`),
  );
  const asked = requests.map((request) => {
    const { to, command } = contextCommand(request);
    return `  process -->|"${command.type}"| ${to}`;
  });
  expect(drawn.sort()).toStrictEqual([...heard, ...asked].sort());
});

it("knows of every translation that the process listens to", () => {
  const listened = Object.values(borders).flatMap(({ translations }) => Object.keys(translations));
  const known = Object.values(inbound).flatMap((translations) => Object.keys(translations));
  expect(listened.sort()).toStrictEqual(known.sort());
});

it("draws a box for each context and for the process, and no other", async () => {
  const folders = (await readdir(domain, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const contexts = folders.map(({ name }) => name).filter((name) => name !== "kernel" && name !== "order-to-cash");
  const boxes = [...contextMap.matchAll(/^ {2}(\w+)(?:\[|\(\[)([\w-]+)(?:\]\)|\])$/gm)].map(([, id, title]) => [
    id,
    title,
  ]);
  expect(boxes.sort()).toStrictEqual([...contexts.map((name) => [name, name]), ["process", "order-to-cash"]].sort());
});

/** A folder of the domain as the drawing calls it. */
function folderOf(path: string): string {
  const folder = relative(domain, dirname(path));
  return folder === "order-to-cash/translations" ? "translations" : folder;
}

it("draws each import from one folder of the domain to another", async () => {
  const files = (await readdir(domain, { recursive: true })).filter((file) => file.endsWith(".ts"));
  expect(files.length).toBeGreaterThan(20);
  const real = await Promise.all(
    files.map(async (file) => {
      const path = join(domain, file);
      const text = await readFile(path, "utf8");
      return [...text.matchAll(/^(?:import|export|\}).*? from "(\..*?)";$|^import "(\..*?)";$/gm)]
        .map(([, from, alone]) => folderOf(join(dirname(path), from ?? alone ?? "")))
        .filter((other) => other !== folderOf(path))
        .map((other) => `${folderOf(path)} --> ${other}`);
    }),
  );
  const drawn = [...imports.matchAll(/^ {2}(\S+?)(?:\[\S+\])? --> (\S+)$/gm)].map(
    ([, from, to]) => `${from} --> ${to}`,
  );
  expect(drawn.sort()).toStrictEqual([...new Set(real.flat())].sort());
});
