import { expect, it } from "vitest";
import { commandDigest } from "../../../engine/commands/idempotency.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import type { AccountCommand } from "./account.ts";
import { bodyOf, faultsOf, type Sent } from "./history-judge.ts";

const open: AccountCommand = { type: "Open", owner: "Ada" };
const one: AccountCommand = { type: "Deposit", amounts: [1, 2] };
const other: AccountCommand = { type: "Deposit", amounts: [3] };

/** What a command with this key leaves in a stream. */
const left = (command: AccountCommand, key?: string): Omit<StoredEvent, "revision">[] => {
  const digest = commandDigest(command.type, bodyOf(command));
  const common = {
    id: "id",
    stream: "account-0",
    position: { commit: 0n, prepare: 0n },
    metadata: key === undefined ? {} : { idempotencyKey: key, idempotencyDigest: digest },
    recordedAt: new Date(0),
  };
  if (command.type === "Open") return [{ ...common, type: "Opened", data: { owner: command.owner } }];
  if (command.type !== "Deposit") return [];
  return command.amounts.map((amount) => ({ ...common, type: "Deposited", data: { amount } }));
};
const stream = (...events: Omit<StoredEvent, "revision">[][]): StoredEvent[] =>
  events.flat().map((event, at) => ({ ...event, revision: BigInt(at) }));

const accepted = (revision: bigint, effect: "changed" | "repeated" = "changed"): Sent["answer"] => ({
  outcome: "accepted",
  effect,
  revision,
});
const unavailable: Sent["answer"] = { outcome: "unavailable" };
const opened: Sent = { account: 0, command: open, answer: accepted(0n) };
const sent = (command: AccountCommand, answer: Sent["answer"], key = "k"): Sent => ({
  account: 0,
  command,
  key,
  answer,
});

it.each<[string, Sent[], StoredEvent[]]>([
  ["acknowledged", [sent(one, accepted(2n))], stream(left(open), left(one, "k"))],
  ["resent", [sent(one, accepted(2n)), sent(one, accepted(2n, "repeated"))], stream(left(open), left(one, "k"))],
  ["not answered and there", [sent(one, unavailable)], stream(left(open), left(one, "k"))],
  ["not answered and not there", [sent(one, unavailable)], stream(left(open))],
  [
    "refused for a used key",
    [sent(one, accepted(2n)), sent(other, { outcome: "key-reused" })],
    stream(left(open), left(one, "k")),
  ],
])("finds nothing wrong with a command that was %s", (_, commands, events) => {
  expect(faultsOf([opened, ...commands], [events])).toStrictEqual([]);
});

it.each<[string, Sent[], StoredEvent[]]>([
  ["acknowledged at 2 and lost", [sent(one, accepted(2n))], stream(left(open))],
  [
    "acknowledged at 2, is at 3",
    [sent(other, accepted(1n), "l"), sent(one, accepted(2n))],
    stream(left(open), left(other, "l"), left(one, "k")),
  ],
  ["has 2 effects", [sent(one, unavailable)], stream(left(open), left(one, "k"), left(one, "k"))],
  [
    "key k on account 0 has 2 effects",
    [sent(one, accepted(2n)), sent(other, accepted(3n))],
    stream(left(open), left(one, "k"), left(other, "k")),
  ],
  ["has an effect and was refused", [sent(other, { outcome: "key-reused" })], stream(left(open), left(other, "k"))],
  ["key that stands for nothing else", [sent(other, { outcome: "key-reused" })], stream(left(open))],
  ["is not whole", [sent(one, accepted(2n))], stream(left(open), left(one, "k").slice(0, 1))],
  ["is of no command that was sent", [], stream(left(open), left(one, "k"))],
  ["is of no command that was sent", [sent(one, unavailable, "l")], stream(left(open), left(one, "k"))],
  [
    "told that it changed nothing",
    [sent(one, { outcome: "accepted", effect: "unchanged", revision: 0n })],
    stream(left(open)),
  ],
  ["failed: because", [sent(one, { outcome: "failed", error: "because" })], stream(left(open))],
  ["Opened at 1", [], stream(left(open), left(open))],
  ["revision 5 at place 0", [], stream(left(open)).map((event) => ({ ...event, revision: 5n }))],
])("finds: %s", (fault, commands, events) => {
  expect(faultsOf([opened, ...commands], [events]).join("\n")).toContain(fault);
});
