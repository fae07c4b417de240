/**
 * A copy of a log that is late on purpose: it holds what was committed at least so many milliseconds ago, with the positions,
 * times and bytes of the original. Reads of it are consistent, like those of the original at that moment.
 */
import { openReplica, type EventLog } from "../log/event-log.ts";

/** Everything is due, also what a clock that was set back has put into the future. */
const notLate = -Infinity;

/** How many records are looked at, and copied in one transaction. */
const batchRecords = 500;

export interface LaggingReplica {
  readonly log: EventLog;
  /** Infinity: nothing more comes. A smaller lag brings at once what is due by it; what is there stays there. */
  setLag(milliseconds: number): void;
  /** While it is not late, `catchUp` brings everything; the lag counts again afterwards. */
  setLate(late: boolean): void;
  /** Resolves when everything is there that is due now. */
  catchUp(): Promise<void>;
  close(): Promise<void>;
}

/** Resolves when everything is there that is due already. */
export const startReplica = async (original: EventLog, lagMilliseconds: number): Promise<LaggingReplica> => {
  const log = openReplica();
  let wantedLag = lagMilliseconds;
  let lag = lagMilliseconds;
  let position = -1n;
  let timer: NodeJS.Timeout | undefined;
  let copying: Promise<void> = Promise.resolve();
  let closed = false;

  /** Copies what is due, and comes back when the next record will be. */
  const copy = async (): Promise<void> => {
    while (!closed && lag !== Infinity) {
      const records = original.source.after(position, batchRecords);
      const now = Date.now();
      const firstTooYoung = records.findIndex(({ created }) => created + lag > now);
      const due = firstTooYoung < 0 ? records : records.slice(0, firstTooYoung);
      const last = due.at(-1);
      if (last !== undefined) {
        await log.replicate(due);
        position = last.position;
      }
      const next = records[firstTooYoung];
      if (next !== undefined) schedule(next.created + lag - now);
      if (next !== undefined || due.length < batchRecords) return;
    }
  };
  const schedule = (milliseconds: number): void => {
    if (closed || timer !== undefined || lag === Infinity) return;
    timer = setTimeout(
      () => {
        timer = undefined;
        void run();
      },
      Math.max(1, Math.min(milliseconds, 2 ** 31 - 1)),
    );
    timer.unref();
  };
  const run = (): Promise<void> => {
    // A failure, such as damage in the original, leaves the replica as it is; readers of the original are told.
    copying = copying.then(copy).catch(() => undefined);
    return copying;
  };
  const lagBy = (milliseconds: number): void => {
    lag = milliseconds;
    clearTimeout(timer);
    timer = undefined;
    void run();
  };

  const stopListening = original.onCommit(() => schedule(lag));
  await run();
  return {
    log,
    setLag: (milliseconds) => {
      wantedLag = milliseconds;
      if (lag !== notLate) lagBy(milliseconds);
    },
    setLate: (late) => lagBy(late ? wantedLag : notLate),
    catchUp: run,
    close: async () => {
      closed = true;
      stopListening();
      clearTimeout(timer);
      await copying;
      log.close();
    },
  };
};
