/**
 * The sending side of a streaming call: waits where the client is slower than the log, and ends when the call does.
 */
import type { StatusError } from "./status-errors.ts";

interface StreamingCall<Response> {
  readonly cancelled: boolean;
  write(response: Response, written?: () => void): boolean;
  end(): unknown;
  on(event: "drain" | "cancelled" | "close" | "error", listener: () => void): unknown;
  emit(event: "error", error: StatusError): boolean;
}

export interface Outgoing<Response> {
  /** Aborts when the client has gone or cancelled. */
  readonly signal: AbortSignal;
  /** Undefined when there is room for more, else a promise of it. */
  send(response: Response): Promise<void> | undefined;
  end(): void;
  fail(error: StatusError): void;
}

/** The call's own queue counts messages, and takes sixteen: large ones are waited for one by one. */
const largeMessage = 64 * 1024;

export const outgoing = <Response extends { readonly length: number }>(
  call: StreamingCall<Response>,
): Outgoing<Response> => {
  const controller = new AbortController();
  let wake: (() => void) | undefined;
  const resume = (): void => {
    wake?.();
    wake = undefined;
  };
  const stop = (): void => {
    controller.abort();
    resume();
  };
  call.on("drain", resume);
  call.on("cancelled", stop);
  call.on("close", stop);
  call.on("error", stop);
  return {
    signal: controller.signal,
    send: (response) => {
      if (controller.signal.aborted) return undefined;
      if (response.length < largeMessage) {
        if (call.write(response)) return undefined;
      } else call.write(response, resume);
      return new Promise((resolve) => {
        wake = resolve;
      });
    },
    end: () => {
      if (!controller.signal.aborted) call.end();
    },
    fail: (error) => {
      if (!controller.signal.aborted) call.emit("error", error);
    },
  };
};
