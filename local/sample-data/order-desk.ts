/**
 * Places orders through the HTTP API: what mends by waiting is tried again with growing pauses, anything else fails at once.
 * An API that has never answered is most likely not running, one that has is most likely being started again: the first is
 * waited for a few seconds, the second a minute.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { CommandError } from "../cli/command-error.ts";
import type { OrderRequest } from "./northwind/northwind-orders.ts";

/** Milliseconds; tests shorten them. */
export interface Patience {
  /** For an API that has never answered. */
  readonly first: number;
  /** For one that has. */
  readonly later: number;
  /** After which people are told what is waited for. */
  readonly untold: number;
}

const usualPatience: Patience = { first: 4_000, later: 60_000, untold: 3_000 };
const answerWithin = 30_000;

type Answer =
  | { readonly outcome: "placed" }
  | { readonly outcome: "refused"; readonly why: string }
  | { readonly outcome: "try-later"; readonly why: string; readonly answered: boolean };

export class OrderDesk {
  readonly #url: URL;
  readonly #tell: (line: string) => void;
  readonly #patience: Patience;
  #hasAnswered = false;
  /** One line for all that wait, until an order is placed again. */
  #hasTold = false;

  constructor(url: URL, tell: (line: string) => void, patience: Patience = usualPatience) {
    this.#url = url;
    this.#tell = tell;
    this.#patience = patience;
  }

  /** Resolves when the order is placed. Throws ORDER_REFUSED, API_UNAVAILABLE, or the signal's reason once it is aborted. */
  async place(order: OrderRequest, signal: AbortSignal): Promise<void> {
    const since = performance.now();
    let isTold = false;
    for (let attempt = 0; ; attempt += 1) {
      const answer = await this.#post(order, signal);
      if (answer.outcome === "placed") {
        this.#hasAnswered = true;
        this.#hasTold = false;
        return;
      }
      if (answer.outcome === "refused") {
        throw new CommandError("ORDER_REFUSED", `order ${order.orderId} was refused: ${answer.why}`);
      }
      this.#hasAnswered ||= answer.answered;
      const waited = performance.now() - since;
      if (waited > (this.#hasAnswered ? this.#patience.later : this.#patience.first)) throw this.#givenUp(answer.why);
      if (!isTold && this.#hasAnswered && waited >= this.#patience.untold) {
        isTold = true;
        this.#tellOnce(answer.why);
      }
      await this.#pause(attempt, signal);
    }
  }

  async #pause(attempt: number, signal: AbortSignal): Promise<void> {
    const growing = Math.random() * Math.min(2_000, 50 * 2 ** attempt);
    const pause = this.#hasAnswered ? growing : Math.min(growing, this.#patience.first / 4);
    try {
      await sleep(pause, undefined, { signal });
    } catch (error) {
      // A timer that is cut off throws an error of its own instead of the reason.
      signal.throwIfAborted();
      throw error;
    }
  }

  #givenUp(why: string): CommandError {
    const found = this.#hasAnswered
      ? `${this.#url.href} has taken no order for ${seconds(this.#patience.later)} (${why})`
      : `nothing answers at ${this.#url.href} (${why})`;
    return new CommandError("API_UNAVAILABLE", `${found}: is npm start running?`);
  }

  #tellOnce(why: string): void {
    if (this.#hasTold) return;
    this.#hasTold = true;
    this.#tell(
      `waiting for ${this.#url.href} to take orders (${why}); gives up after ${seconds(this.#patience.later)}`,
    );
  }

  async #post(order: OrderRequest, signal: AbortSignal): Promise<Answer> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.#url, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": `import-${order.orderId}` },
        body: JSON.stringify(order),
        signal: AbortSignal.any([signal, AbortSignal.timeout(answerWithin)]),
      });
      text = await response.text();
    } catch (error) {
      signal.throwIfAborted();
      return { outcome: "try-later", why: networkReason(error), answered: false };
    }
    if (response.status === 201) return { outcome: "placed" };
    const { code, why } = problemIn(text, response.status);
    const mends = response.status === 429 || response.status >= 500 || code === "CONCURRENT_CHANGE";
    return mends ? { outcome: "try-later", why, answered: true } : { outcome: "refused", why };
  }
}

const problemSchema = z.object({
  code: z.string(),
  detail: z.string(),
  errors: z
    .array(z.object({ pointer: z.string().optional(), field: z.string().optional(), message: z.string() }))
    .default([]),
});

/** The problem in people's words; of an answer that is none, which is not Tidemark's, the status has to do. */
function problemIn(text: string, status: number): { code?: string; why: string } {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    content = undefined;
  }
  const parsed = problemSchema.safeParse(content);
  if (!parsed.success) return { why: `status ${status} and no reason given: is it Tidemark's API?` };
  const { code, detail, errors } = parsed.data;
  const fields = errors.slice(0, 3).map(({ pointer, field, message }) => `${pointer ?? field ?? ""} ${message}`);
  return { code, why: [`${detail} (${status} ${code})`, ...fields].join("; ") };
}

/** fetch says "fetch failed"; what failed is the code of its cause. */
function networkReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `no answer within ${seconds(answerWithin)}`;
  const { cause } = error;
  if (cause instanceof Error && "code" in cause && typeof cause.code === "string") return cause.code;
  return cause instanceof Error && cause.message !== "" ? cause.message : error.message;
}

function seconds(milliseconds: number): string {
  return `${milliseconds / 1_000} s`;
}
