/** Structured logs: one JSON object a line on standard output, which is where Lambda and the local runtime collect them. */
import { type DestinationStream, type Logger, pino } from "pino";

export type { Logger };

export interface LoggerOptions {
  readonly level: string;
  readonly destination?: DestinationStream;
}

/** `name` says which function or process writes. Errors are written with their causes and without credentials. */
export function createLogger(name: string, { level, destination }: LoggerOptions): Logger {
  const options = {
    level,
    // Lambda knows process and host; a line need not say them again.
    base: { name },
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeError },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

interface ErrorDescription {
  readonly name: string;
  readonly code?: unknown;
  readonly message: string;
  readonly stack?: string;
  readonly cause?: ErrorDescription;
}

/** Only what is named here, never all properties: clients hang requests, headers and raw answers on their errors. */
function describeError(error: unknown): ErrorDescription {
  if (!(error instanceof Error)) return { name: typeof error, message: withoutCredentials(String(error)) };
  return {
    name: error.name,
    ...("code" in error ? { code: error.code } : {}),
    message: withoutCredentials(error.message),
    ...(error.stack === undefined ? {} : { stack: withoutCredentials(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}

/** A connection string holds user and password between `//` and `@`. */
function withoutCredentials(text: string): string {
  return text.replaceAll(/:\/\/[^\s/@]*@/g, "://***@");
}
