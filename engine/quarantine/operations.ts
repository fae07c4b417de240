/** What people do about events that were given up: look at them, try them again, or take them out for good. */
import { collect } from "../commands/load-by-snapshot.ts";
import { StreamDeletedError } from "../event-store/errors.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import type { Projection } from "../views/projection.ts";
import type { Decision } from "./decisions.ts";
import { discardInProcess, discardInView, type DiscardContext } from "./discard.ts";
import { redriveInProcess, type TellProcesses } from "./quarantined-process.ts";
import { type QuarantineRecord, viewOfTarget } from "./quarantine-record.ts";
import { redriveInView, type RedriveOutcome } from "./redrive.ts";

/** What a deployment keeps: its views, and its processes by the names of their functions. */
export interface Subjects {
  readonly views: ReadonlyMap<string, readonly [Projection, ...Projection[]]>;
  readonly processes: ReadonlyMap<string, TellProcesses>;
}

/** No view or process is called so. */
export class UnknownSubjectError extends Error {
  readonly code = "UNKNOWN_SUBJECT";
  override readonly name = "UnknownSubjectError";
}

/** Nothing waits there under this name. */
export class NotQuarantinedError extends Error {
  readonly code = "NOT_QUARANTINED";
  override readonly name = "NotQuarantinedError";
}

/** A stream that waits, with the event it waits at. */
export interface QuarantinedStream {
  readonly record: QuarantineRecord;
  /** Absent when the store shows it no more: it is truncated, deleted or scavenged. */
  readonly event?: StoredEvent;
  /** Events of the stream that were decided to be left out before. */
  readonly decisions: readonly Decision[];
}

/** What became of one record; a failure to try it is a value too, so that one record never keeps others from being tried. */
export interface Redriven {
  readonly record: QuarantineRecord;
  readonly outcome: RedriveOutcome | { readonly outcome: "failed"; readonly error: unknown };
}

export class QuarantineOperations {
  readonly #context: DiscardContext;
  readonly #subjects: Subjects;

  constructor(context: DiscardContext, subjects: Subjects) {
    this.#context = context;
    this.#subjects = subjects;
  }

  /** Streams that wait, of one view or process or of all, the longest waiting first. Throws {@link UnknownSubjectError}. */
  async list(subject?: string): Promise<QuarantineRecord[]> {
    if (subject !== undefined) this.#check(subject);
    const found: QuarantineRecord[] = [];
    for await (const record of this.#context.quarantine.records()) {
      if (record.state === "quarantined" && (subject === undefined || subjectOf(record) === subject))
        found.push(record);
    }
    return found.sort((left, right) => left.firstFailedAt.localeCompare(right.firstFailedAt));
  }

  /** The same stream may wait in several generations of a view. Throws {@link NotQuarantinedError}. */
  async show(subject: string, stream: string): Promise<QuarantinedStream[]> {
    const records = await this.#recordsOf(subject, stream);
    const decisions = await this.#context.quarantine.decisions(subject);
    return Promise.all(
      records.map(async (record) => {
        const event = await this.#eventOf(record);
        const ofStream = decisions.filter((decision) => decision.stream === stream);
        return { record, decisions: ofStream, ...(event === undefined ? {} : { event }) };
      }),
    );
  }

  /** Tries again what waits: one stream, or all of a view or process, or all there is; one after the other. */
  async *redrive(subject?: string, stream?: string): AsyncGenerator<Redriven, void> {
    const records =
      subject !== undefined && stream !== undefined ? await this.#recordsOf(subject, stream) : await this.list(subject);
    for (const record of records) {
      try {
        yield { record, outcome: await this.#redriveOne(record) };
      } catch (error) {
        yield { record, outcome: { outcome: "failed", error } };
      }
    }
  }

  /** Takes the event out for good; what waits behind it is to be redriven. Throws DiscardRefusedError and those of above. */
  async discard(subject: string, stream: string, reason: string): Promise<Decision> {
    this.#check(subject);
    const versions = this.#subjects.views.get(subject);
    if (versions === undefined) return discardInProcess(this.#context, subject, stream, reason);
    return discardInView(this.#context, subject, versions, stream, reason);
  }

  async #redriveOne(record: QuarantineRecord): Promise<RedriveOutcome> {
    const subject = subjectOf(record);
    const versions = this.#subjects.views.get(subject);
    if (versions !== undefined) return redriveInView(this.#context, versions, record);
    const tell = this.#subjects.processes.get(subject);
    if (tell !== undefined) return redriveInProcess(this.#context, subject, record, tell);
    throw this.#unknown(subject);
  }

  async #recordsOf(subject: string, stream: string): Promise<QuarantineRecord[]> {
    const records = (await this.list(subject)).filter((record) => record.stream === stream);
    if (records.length > 0) return records;
    throw new NotQuarantinedError(`${stream} does not wait in ${subject}: list what does`);
  }

  async #eventOf({ stream, revision }: QuarantineRecord): Promise<StoredEvent | undefined> {
    try {
      const [event] = await collect(this.#context.eventStore.readStream(stream, revision, 1n));
      return event?.revision === revision ? event : undefined;
    } catch (error) {
      if (error instanceof StreamDeletedError) return undefined;
      throw error;
    }
  }

  #check(subject: string): void {
    if (!this.#subjects.views.has(subject) && !this.#subjects.processes.has(subject)) throw this.#unknown(subject);
  }

  #unknown(subject: string): UnknownSubjectError {
    const known = [...this.#subjects.views.keys(), ...this.#subjects.processes.keys()].join(", ");
    return new UnknownSubjectError(`there is no view or process "${subject}": use one of ${known}`);
  }
}

/** The view or process of a record. */
export function subjectOf({ target }: Pick<QuarantineRecord, "target">): string {
  return viewOfTarget(target)?.view ?? target;
}
