/**
 * Fingerprints of the aggregates' reducers. A snapshot bears one; changed code has another and ignores it, so nobody has to
 * remember to raise a version. It covers all that folding depends on: decider, event types with schemas and upcasters, the
 * snapshot's own format, whatever these import inside domain/, and the versions of the packages that they use. What `decide`
 * does is in it too, as it is the same object; a fingerprint that changes too often costs a few long loads, one that does
 * not change costs wrong decisions.
 *
 * They stand in a file that is committed, because every deployed function must agree on them.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { CommandError } from "../local/cli/command-error.ts";
import { bundledCode, fingerprintOf } from "./bundled-code.ts";

const project = fileURLToPath(new URL("..", import.meta.url));

export const fingerprintsFile = "functions/reducer-fingerprints.json";

/** By category, what a load takes from which file. */
const reducers: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  customer: {
    customerDecider: "domain/customers/customer.ts",
    customersEventTypes: "domain/customers/events.ts",
    customerSnapshot: "domain/customers/customer-snapshot.ts",
  },
  invoice: {
    invoiceDecider: "domain/billing/invoice.ts",
    billingEventTypes: "domain/billing/events.ts",
    invoiceSnapshot: "domain/billing/invoice-snapshot.ts",
  },
  order: {
    orderDecider: "domain/ordering/order.ts",
    orderingEventTypes: "domain/ordering/events.ts",
    orderSnapshot: "domain/ordering/order-snapshot.ts",
  },
  shipment: {
    shipmentDecider: "domain/logistics/shipment.ts",
    logisticsEventTypes: "domain/logistics/events.ts",
    shipmentSnapshot: "domain/logistics/shipment-snapshot.ts",
  },
};

/** What the file should say of the project in `directory`. */
export async function fingerprintsText(directory = project): Promise<string> {
  const versionOf = await lockedVersions(directory);
  const fingerprints = await Promise.all(
    Object.entries(reducers).map(async ([category, parts]) => {
      const { code, packages } = await bundledCode(directory, parts);
      const versions = packages.map((name) => `${name}@${versionOf(name)}`);
      return [category, fingerprintOf(versions.join("\n"), code)];
    }),
  );
  return `${JSON.stringify(Object.fromEntries(fingerprints), null, 2)}\n`;
}

/** Throws unless the file says what it should: deployed functions would take snapshots of other code for their own. */
export async function requireCurrentFingerprints(directory = project): Promise<void> {
  const committed = await readFile(join(directory, fingerprintsFile), "utf8").catch(() => "");
  if (committed === (await fingerprintsText(directory))) return;
  throw new CommandError("FINGERPRINTS_STALE", `${fingerprintsFile} is out of date: run npm run fingerprints`);
}

export async function writeFingerprints(directory = project): Promise<void> {
  await writeFile(join(directory, fingerprintsFile), await fingerprintsText(directory));
}

const lockSchema = z.object({ packages: z.record(z.string(), z.object({ version: z.string().optional() })) });

/** Versions of packages as the lock file has them, which is the same everywhere. */
async function lockedVersions(directory: string): Promise<(name: string) => string> {
  const { packages } = lockSchema.parse(JSON.parse(await readFile(join(directory, "package-lock.json"), "utf8")));
  return (imported) => {
    const [scope = "", name = ""] = imported.split("/");
    return packages[`node_modules/${scope.startsWith("@") ? `${scope}/${name}` : scope}`]?.version ?? "";
  };
}
