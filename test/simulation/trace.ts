import { createHash } from "node:crypto";

/** What has happened in a history, a line each: told when it fails, and two runs of a seed are the same if all lines are. */
export class Trace {
  readonly #lines: string[] = [];
  readonly #elapsedMs: () => number;

  constructor(elapsedMs: () => number) {
    this.#elapsedMs = elapsedMs;
  }

  note(what: string): void {
    this.#lines.push(`${this.#elapsedMs().toString().padStart(7)} ms  ${what}`);
  }

  get length(): number {
    return this.#lines.length;
  }

  /** The last `count` lines that `matters` lets through. */
  last(count: number, matters: (line: string) => boolean = () => true): readonly string[] {
    return this.#lines.filter(matters).slice(-count);
  }

  get digest(): string {
    return createHash("sha256").update(this.#lines.join("\n")).digest("hex");
  }
}
