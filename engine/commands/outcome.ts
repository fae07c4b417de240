import type { ExpectedRevision } from "../event-store/event-store.ts";
import type { AggregateRejection } from "./aggregate.ts";

/** How a command ended. Failures of infrastructure are errors and not listed here. */
export type CommandOutcome<Refusal extends AggregateRejection> =
  | Accepted
  | { readonly outcome: "rejected"; readonly rejection: Refusal }
  /** The key stands for another command: nothing was done. */
  | { readonly outcome: "key-reused" }
  /** The stream is not at a revision that the sender named. */
  | { readonly outcome: "precondition-failed"; readonly actual: ExpectedRevision }
  /** Others changed the stream during every one of `attempts` tries: nothing was done, trying again is safe. */
  | {
      readonly outcome: "conflict";
      readonly attempts: number;
      readonly expected: ExpectedRevision;
      readonly actual: ExpectedRevision;
    };

export type Accepted = {
  readonly outcome: "accepted";
} & (
  | {
      /** `changed`: events were appended. `repeated`: they had been, under the same key; nothing was appended now. */
      readonly effect: "changed" | "repeated";
      /** Of the command's last event. */
      readonly revision: bigint;
    }
  | {
      /** What was asked for is already so. */
      readonly effect: "unchanged";
      /** Of the stream. */
      readonly revision: ExpectedRevision;
    }
);
