import type { AggregateRejection } from "../commands/aggregate.ts";
import type { Accepted, CommandOutcome } from "../commands/outcome.ts";
import { concurrentChange, HttpProblem } from "./problem.ts";

/** The status of each of a context's rejections: not found, against the current state, or never possible as asked. */
export type RejectionStatus<Refusal extends AggregateRejection> = Readonly<
  Record<Refusal["rejection"], 404 | 409 | 422>
>;

/** Returns what was accepted; throws every other outcome as the problem it is to a client. */
export function acceptedOrProblem<Refusal extends AggregateRejection>(
  outcome: CommandOutcome<Refusal>,
  statusOf: RejectionStatus<Refusal>,
): Accepted {
  switch (outcome.outcome) {
    case "accepted":
      return outcome;
    case "rejected": {
      const { rejection, message } = outcome.rejection;
      // A refusal's code is one of the record's keys; its wider declared type is what the compiler sees here.
      throw new HttpProblem(statusOf[rejection as Refusal["rejection"]], rejection, message);
    }
    case "key-reused":
      throw new HttpProblem(422, "IDEMPOTENCY_KEY_REUSED", "the key stands for another request: take a new one", {
        errors: [{ field: "Idempotency-Key", message: "was used with another body" }],
      });
    case "precondition-failed": {
      const { actual } = outcome;
      const now = actual === "no_stream" ? "there is none yet" : `it is at revision ${actual.toString()}`;
      throw new HttpProblem(412, "PRECONDITION_FAILED", `${now}: read it again and decide anew`, {
        errors: [{ field: "If-Match", message: "does not match" }],
      });
    }
    case "conflict":
      throw concurrentChange();
  }
}
