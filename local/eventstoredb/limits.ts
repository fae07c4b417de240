/** What the server accepts, with EventStoreDB's defaults. */
export interface Limits {
  /** Bytes of event data in one append; more is refused. */
  readonly maximumAppendSize: number;
  /** Milliseconds until an append that has not been completed is answered with a time-out. */
  readonly writeTimeout: number;
}

export const defaultLimits: Limits = { maximumAppendSize: 1024 * 1024, writeTimeout: 2000 };

/** Largest message that a client may send. */
export const maximumMessageSize = 16 * 1024 * 1024 - 10_000;
