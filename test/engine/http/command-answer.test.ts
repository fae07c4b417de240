import { describe, expect, it } from "vitest";
import { acceptedOrProblem } from "../../../engine/http/command-answer.ts";

type Refusal = { readonly rejection: "GONE" | "TAKEN"; readonly message: string };
const statusOf = { GONE: 404, TAKEN: 409 } as const;
const answer = (outcome: Parameters<typeof acceptedOrProblem<Refusal>>[0]): unknown =>
  acceptedOrProblem(outcome, statusOf);

describe("what a command's outcome is to an HTTP client", () => {
  it("accepted: the revision, whether it was changed now or before", () => {
    const accepted = { outcome: "accepted", effect: "repeated", revision: 4n } as const;
    expect(answer(accepted)).toStrictEqual(accepted);
  });

  it.each([
    [{ outcome: "rejected", rejection: { rejection: "GONE", message: "no" } } as const, 404, "GONE", "no"],
    [{ outcome: "rejected", rejection: { rejection: "TAKEN", message: "no" } } as const, 409, "TAKEN", "no"],
    [
      { outcome: "key-reused" } as const,
      422,
      "IDEMPOTENCY_KEY_REUSED",
      "the key stands for another request: take a new one",
    ],
    [
      { outcome: "precondition-failed", actual: 4n } as const,
      412,
      "PRECONDITION_FAILED",
      "it is at revision 4: read it again and decide anew",
    ],
    [
      { outcome: "precondition-failed", actual: "no_stream" } as const,
      412,
      "PRECONDITION_FAILED",
      "there is none yet: read it again and decide anew",
    ],
    [
      { outcome: "conflict", attempts: 5, expected: 1n, actual: 2n } as const,
      409,
      "CONCURRENT_CHANGE",
      "others kept changing it meanwhile: nothing was done, try again",
    ],
  ])("%o is a %i %s", (outcome, status, code, message) => {
    expect(() => answer(outcome)).toThrow(expect.objectContaining({ status, code, message }));
  });
});
