/**
 * The HTTP API as an import uses it: what mends by waiting is tried again with growing pauses, anything else fails at once.
 * An API that has never answered is most likely not running, one that has is most likely being started again: the first is
 * waited for a few seconds, the second a minute.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { fromJson } from "../../engine/json/from-json.ts";
import { CommandError } from "../cli/command-error.ts";

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

export interface Posting {
  /** What it is about, for messages: `order 10248`. */
  readonly what: string;
  readonly path: string;
  readonly key: string;
  readonly body: unknown;
  /** Codes of refusals that pass: what the request is about is not there yet. */
  readonly notYet?: readonly string[];
  /** Codes of refusals that the sender has an answer to. */
  readonly answered?: readonly string[];
}

export interface Getting<Answer> {
  readonly what: string;
  readonly path: string;
  readonly schema: z.ZodType<Answer>;
  /** What is waited for: a view is a moment behind. */
  readonly until: (answer: Answer) => boolean;
}

export type Posted = { readonly outcome: "done" } | { readonly outcome: "refused"; readonly code: string };

type Answer =
  | { readonly outcome: "done"; readonly content: unknown }
  | { readonly outcome: "refused"; readonly code: string; readonly why: string }
  | { readonly outcome: "try-later"; readonly why: string; readonly answered: boolean };

export class PatientApi {
  readonly #url: URL;
  readonly #tell: (line: string) => void;
  readonly #patience: Patience;
  #hasAnswered = false;
  /** One line for all that wait, until a request is done again. */
  #hasTold = false;

  constructor(url: URL, tell: (line: string) => void, patience: Patience = usualPatience) {
    this.#url = url;
    this.#tell = tell;
    this.#patience = patience;
  }

  /** Resolves when the request has its effect. Throws REQUEST_REFUSED, API_UNAVAILABLE, or the signal's reason once it is aborted. */
  async post({ what, path, key, body, notYet = [], answered = [] }: Posting, signal: AbortSignal): Promise<Posted> {
    const request: RequestInit = {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": key },
      body: JSON.stringify(body),
    };
    return this.#patiently<Posted>(signal, async () => {
      const answer = await this.#send(path, request, signal);
      if (answer.outcome === "done") return { result: { outcome: "done" } };
      if (answer.outcome === "try-later") return answer;
      const { code, why } = answer;
      if (notYet.includes(code)) return { why, answered: true };
      if (answered.includes(code)) return { result: { outcome: "refused", code } };
      throw new CommandError("REQUEST_REFUSED", `${what} was refused: ${why}`);
    });
  }

  /** Resolves when the answer is there and is what is waited for. Throws as {@link post} does. */
  async get<Content>({ what, path, schema, until }: Getting<Content>, signal: AbortSignal): Promise<Content> {
    return this.#patiently(signal, async () => {
      const answer = await this.#send(path, {}, signal);
      if (answer.outcome === "try-later") return answer;
      if (answer.outcome === "refused") return { why: answer.why, answered: true };
      const content = schema.safeParse(answer.content).data;
      if (content !== undefined && until(content)) return { result: content };
      return { why: `${what} has not come that far`, answered: true };
    });
  }

  /** Tries until there is a result or patience ends. */
  async #patiently<Result>(
    signal: AbortSignal,
    attempt: () => Promise<{ readonly result: Result } | { readonly why: string; readonly answered: boolean }>,
  ): Promise<Result> {
    const since = performance.now();
    let isTold = false;
    for (let tries = 0; ; tries += 1) {
      const tried = await attempt();
      if ("result" in tried) {
        this.#hasAnswered = true;
        this.#hasTold = false;
        return tried.result;
      }
      this.#hasAnswered ||= tried.answered;
      const waited = performance.now() - since;
      if (waited > (this.#hasAnswered ? this.#patience.later : this.#patience.first)) throw this.#givenUp(tried.why);
      if (!isTold && this.#hasAnswered && waited >= this.#patience.untold) {
        isTold = true;
        this.#tellOnce(tried.why);
      }
      await this.#pause(tries, signal);
    }
  }

  async #pause(tries: number, signal: AbortSignal): Promise<void> {
    const growing = Math.random() * Math.min(2_000, 200 * 2 ** tries);
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
      ? `${this.#url.href} has not got on for ${seconds(this.#patience.later)} (${why})`
      : `nothing answers at ${this.#url.href} (${why})`;
    return new CommandError("API_UNAVAILABLE", `${found}: is npm start running?`);
  }

  #tellOnce(why: string): void {
    if (this.#hasTold) return;
    this.#hasTold = true;
    this.#tell(`waiting for ${this.#url.href} to get on (${why}); gives up after ${seconds(this.#patience.later)}`);
  }

  async #send(path: string, request: RequestInit, signal: AbortSignal): Promise<Answer> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(new URL(path, this.#url), {
        ...request,
        signal: AbortSignal.any([signal, AbortSignal.timeout(answerWithin)]),
      });
      text = await response.text();
    } catch (error) {
      signal.throwIfAborted();
      return { outcome: "try-later", why: networkReason(error), answered: false };
    }
    if (response.ok) return { outcome: "done", content: fromJson(text) };
    const { code, why } = problemIn(text, response.status);
    const mends = response.status === 429 || response.status >= 500 || code === "CONCURRENT_CHANGE";
    return mends ? { outcome: "try-later", why, answered: true } : { outcome: "refused", code, why };
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
function problemIn(text: string, status: number): { code: string; why: string } {
  const parsed = problemSchema.safeParse(fromJson(text));
  if (!parsed.success) return { code: "", why: `status ${status} and no reason given: is it Tidemark's API?` };
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
