/**
 * Whether what clients were told and what the streams hold agree: one effect for each key, everything acknowledged there
 * and where it was said to be, nothing of what was refused, and what was not answered there once or not at all.
 */
import { commandDigest } from "../../../engine/commands/idempotency.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import type { AccountCommand } from "./account.ts";
import type { Answer } from "./command-client.ts";

export interface Sent {
  readonly account: number;
  readonly command: AccountCommand;
  readonly key?: string;
  readonly answer: Answer;
}

/** The events of one body, found together in a stream. */
interface Effect {
  readonly account: number;
  readonly body: string;
  readonly key: string | undefined;
  /** Of the last of them. */
  readonly revision: bigint;
}

/** What is wrong, in words; nothing if nothing is. `streams` holds for each account what is in its stream. */
export function faultsOf(sent: readonly Sent[], streams: readonly (readonly StoredEvent[])[]): string[] {
  const faults: string[] = [];
  const effects = streams.flatMap((events, account) => effectsIn(events, account, sent, faults));
  for (const [what, count] of countsOf(effects)) if (count > 1) faults.push(`${what} has ${count} effects`);
  for (const effect of effects) {
    const sendings = sent.filter((one) => isEffectOf(one, effect));
    // The effect may be that of any copy which was not refused.
    if (!sendings.some(({ answer }) => answer.outcome === "accepted" || answer.outcome === "unavailable"))
      faults.push(`${effect.body} has an effect and was refused`);
  }
  for (const one of sent) {
    const fault = faultOf(one, effects, streams[one.account] ?? []);
    if (fault !== undefined) faults.push(`${bodyOf(one.command)} with key ${one.key ?? "-"}: ${fault}`);
  }
  return faults;
}

export const bodyOf = (command: AccountCommand): string => JSON.stringify(command);

/** What the body of a command becomes, event by event. */
function eventsOf(command: AccountCommand): string[] {
  switch (command.type) {
    case "Open":
      return [`Opened ${JSON.stringify({ owner: command.owner })}`];
    case "Deposit":
      return command.amounts.map((amount) => `Deposited ${JSON.stringify({ amount })}`);
    case "EmitUnlisted":
      return ["Unlisted {}"];
  }
}

const textOf = ({ type, data }: StoredEvent): string => `${type} ${JSON.stringify(data)}`;

function effectsIn(events: readonly StoredEvent[], account: number, sent: readonly Sent[], faults: string[]): Effect[] {
  const effects: Effect[] = [];
  for (const [place, { revision }] of events.entries()) {
    if (revision !== BigInt(place)) faults.push(`account ${account}: revision ${revision} at place ${place}`);
  }
  for (let at = 0; at < events.length;) {
    const first = events[at];
    if (first === undefined) break;
    if ((first.type === "Opened") !== (at === 0)) faults.push(`account ${account}: ${first.type} at ${at}`);
    const one = sent.find(
      (each) => each.account === account && eventsOf(each.command)[0] === textOf(first) && isOf(each, first),
    );
    if (one === undefined) {
      faults.push(`account ${account}: ${textOf(first)} at ${at} is of no command that was sent`);
      at += 1;
      continue;
    }
    const due = eventsOf(one.command);
    const found = events.slice(at, at + due.length).filter((event) => isOf(one, event));
    if (found.map(textOf).join() !== due.join()) faults.push(`${bodyOf(one.command)} is not whole at ${at}`);
    at += due.length;
    effects.push({ account, body: bodyOf(one.command), key: one.key, revision: BigInt(at - 1) });
  }
  return effects;
}

/** Whether key and digest of the event are those of the command. */
function isOf({ key, command }: Sent, { metadata }: StoredEvent): boolean {
  const digest = key === undefined ? undefined : commandDigest(command.type, bodyOf(command));
  return metadata.idempotencyKey === key && metadata.idempotencyDigest === digest;
}

function isEffectOf({ account, command, key }: Sent, effect: Effect): boolean {
  return effect.account === account && effect.body === bodyOf(command) && effect.key === key;
}

/** How often each body and each key took effect on each account. */
function countsOf(effects: readonly Effect[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { account, body, key } of effects) {
    const whats = [`${body} on account ${account}`, ...(key === undefined ? [] : [`key ${key} on account ${account}`])];
    for (const what of whats) counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return counts;
}

function faultOf(one: Sent, effects: readonly Effect[], stream: readonly StoredEvent[]): string | undefined {
  const { account, command, key, answer } = one;
  const mine = effects.find((effect) => isEffectOf(one, effect));
  switch (answer.outcome) {
    case "accepted":
      if (answer.effect === "unchanged") {
        return eventsOf(command).length === 0 ? undefined : "told that it changed nothing";
      }
      if (mine === undefined) return `acknowledged at ${answer.revision} and lost`;
      return mine.revision === answer.revision
        ? undefined
        : `acknowledged at ${answer.revision}, is at ${mine.revision}`;
    case "key-reused":
      return effects.some(
        (effect) => effect.account === account && effect.key === key && effect.body !== bodyOf(command),
      )
        ? undefined
        : "refused for a key that stands for nothing else";
    case "rejected":
      return answer.rejection.rejection === "ALREADY_OPEN" && stream.length === 0 ? "no account is open" : undefined;
    case "conflict":
    case "precondition-failed":
    case "unavailable":
      return undefined;
    case "failed":
      return `failed: ${answer.error}`;
  }
}
