import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { toProblem } from "../../engine/http/problem.ts";
import { customerRejectionStatus } from "../../functions/customer-aggregate.ts";
import { invoiceRejectionStatus } from "../../functions/invoice-aggregate.ts";
import { orderRejectionStatus } from "../../functions/order-aggregate.ts";
import { processRejectionStatus } from "../../functions/order-to-cash-process.ts";
import { shipmentRejectionStatus } from "../../functions/shipment-aggregate.ts";

const rejectionStatus: Readonly<Record<string, number>> = {
  ...orderRejectionStatus,
  ...customerRejectionStatus,
  ...invoiceRejectionStatus,
  ...shipmentRejectionStatus,
  ...processRejectionStatus,
};

const repository = join(import.meta.dirname, "../..");

/** Rows of the page's table of errors: one status, one or more codes. */
async function documented(): Promise<Map<string, number>> {
  const page = await readFile(join(repository, "docs/command-side.md"), "utf8");
  const rows = [...page.matchAll(/^\| (\d{3}) +\| ([^|]+)\|/gm)];
  return new Map(
    rows.flatMap(([, status, codes = ""]) =>
      [...codes.matchAll(/`(\w+)`/g)].map(([, code = ""]) => [code, Number(status)]),
    ),
  );
}

describe("the documented errors", () => {
  it("have the status that they are answered with", async () => {
    const codes = await documented();
    for (const [code, status] of Object.entries(rejectionStatus))
      expect([code, codes.get(code)]).toStrictEqual([code, status]);
    const engineCodes = ["EVENT_STORE_UNAVAILABLE", "VIEWS_UNAVAILABLE", "SETTINGS_UNAVAILABLE", "CURSOR_INVALID"];
    for (const code of [
      ...engineCodes,
      "STREAM_DELETED",
      "APPEND_TOO_LARGE",
      "EVENT_NOT_UNDERSTOOD",
      "INTERNAL_ERROR",
    ]) {
      const { status } = toProblem(Object.assign(new Error("inside"), { code }));
      expect([code, codes.get(code)]).toStrictEqual([code, status]);
    }
  });

  it("name no rejection that no context has", async () => {
    const contexts =
      /^(ORDER|CUSTOMER|CREDIT|LIMIT|RESERVATION|INVOICE|PAYMENT|SHIPMENT|FREIGHT|PROCESS)_|^OVERPAYMENT$/;
    const named = [...(await documented()).keys()].filter((code) => contexts.test(code));
    expect(named.filter((code) => !Object.hasOwn(rejectionStatus, code))).toStrictEqual([]);
    expect(named.length).toBeGreaterThan(30);
  });

  it("are all that the HTTP side states", async () => {
    const codes = new Set((await documented()).keys());
    for (const folder of ["engine/http", "functions"]) {
      for (const file of await readdir(join(repository, folder))) {
        const source = await readFile(join(repository, folder, file), "utf8");
        for (const [, status, code = ""] of source.matchAll(/new HttpProblem\(\s*(\d{3}),\s*"(\w+)"/g)) {
          expect({ file, status, code, documented: codes.has(code) }).toStrictEqual({
            file,
            status,
            code,
            documented: true,
          });
        }
      }
    }
  });
});
