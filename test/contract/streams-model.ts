/**
 * What streams do, in the plainest form: lists in memory, no storage, no speed. The rules are EventStoreDB's; a server
 * is right if it answers as this does.
 */
export type Expected = "any" | "no_stream" | "stream_exists" | number;

/** What is proposed: its data matters to the model where it is metadata or a link. */
export interface ModelEvent {
  readonly id: string;
  readonly data?: string;
}

export type ModelOutcome =
  | { readonly kind: "appended"; readonly revision: number }
  | { readonly kind: "repeated"; readonly revision: number; readonly hidden: boolean }
  | { readonly kind: "deleted" }
  | { readonly kind: "wrong-expected-revision"; readonly actual: number }
  | { readonly kind: "stream-deleted" }
  /** A resent batch that holds one id twice. */
  | { readonly kind: "ambiguous-repeat" };

export interface LoggedEvent {
  readonly stream: string;
  readonly revision: bigint;
}

export type Visible = readonly number[] | "not-found" | "stream-deleted";

interface ModelStream {
  readonly events: ModelEvent[];
  readonly metadata: string[];
  tombstoned: boolean;
}

const largest = 9223372036854775807n;
const append = { kind: "append" } as const;

export class ModelOfStreams {
  readonly #streams = new Map<string, ModelStream>();
  readonly #recent = new Map<string, { readonly stream: string; readonly revision: number }>();
  /** All that has been written, in order: what `$all` shows. */
  readonly log: LoggedEvent[] = [];

  append(name: string, expected: Expected, events: readonly ModelEvent[]): ModelOutcome {
    const ids = events.map(({ id }) => id);
    const decision = this.#decide(name, expected, ids);
    if (decision.kind !== "append") return decision;
    const stream = this.#stream(name);
    const wasSoftDeleted = isSoftDeleted(stream);
    const before = stream.events.length;
    for (const event of events) {
      const revision = stream.events.length;
      if (!this.#recent.has(event.id)) this.#recent.set(event.id, { stream: name, revision });
      stream.events.push(event);
      this.log.push({ stream: name, revision: BigInt(revision) });
    }
    if (wasSoftDeleted) this.#undelete(name, before);
    return { kind: "appended", revision: stream.events.length - 1 };
  }

  delete(name: string, expected: Expected): ModelOutcome {
    const decision = this.#decide(name, expected, ["new"]);
    if (decision.kind !== "append") return decision;
    const stream = this.#stream(name);
    if (stream.events.length === 0 && stream.metadata.length === 0) {
      return { kind: "wrong-expected-revision", actual: -1 };
    }
    this.#writeMetadata(name, `{"$tb":${largest}}`);
    return { kind: "deleted" };
  }

  tombstone(name: string, expected: Expected): ModelOutcome {
    const decision = this.#decide(name, expected, ["new"]);
    if (decision.kind !== "append") return decision;
    this.#stream(name).tombstoned = true;
    this.log.push({ stream: name, revision: largest });
    return { kind: "deleted" };
  }

  /** A write to `$$name`, whatever is expected there. */
  setMetadata(name: string, text: string): ModelOutcome {
    const stream = this.#stream(name);
    if (stream.tombstoned) return { kind: "stream-deleted" };
    const wasSoftDeleted = isSoftDeleted(stream);
    const revision = this.#writeMetadata(name, text);
    if (wasSoftDeleted) this.#undelete(name, stream.events.length);
    return { kind: "appended", revision };
  }

  lastRevision(name: string): number {
    return this.#stream(name).events.length - 1;
  }

  /** The last metadata written, by the server or to it. */
  metadata(name: string): string | undefined {
    return this.#stream(name).metadata.at(-1);
  }

  /** The revisions that a reader may see. */
  visible(name: string): Visible {
    const stream = this.#stream(name);
    if (stream.tombstoned) return "stream-deleted";
    if (stream.events.length === 0 || isSoftDeleted(stream)) return "not-found";
    const { $tb, $maxCount } = effective(stream.metadata.at(-1));
    const lowest = Math.max($tb ?? 0, stream.events.length - ($maxCount ?? Infinity));
    return stream.events.map((_, revision) => revision).filter((revision) => revision >= lowest);
  }

  read(name: string, forwards: boolean, from: number, count: number): Visible {
    const visible = this.visible(name);
    if (typeof visible === "string") return visible;
    return forwards
      ? visible.filter((revision) => revision >= from).slice(0, count)
      : visible
          .filter((revision) => revision <= from)
          .toReversed()
          .slice(0, count);
  }

  id(name: string, revision: number): string | undefined {
    return this.#stream(name).events[revision]?.id;
  }

  /** The id of the event that a link `revision@name` leads to, where a reader may see it; -1 is the last. */
  target(name: string, revision: number): string | undefined {
    const visible = this.visible(name);
    if (typeof visible === "string") return undefined;
    const wanted = revision === -1 ? this.lastRevision(name) : revision;
    return visible.includes(wanted) ? this.id(name, wanted) : undefined;
  }

  #stream(name: string): ModelStream {
    const known = this.#streams.get(name) ?? { events: [], metadata: [], tombstoned: false };
    this.#streams.set(name, known);
    return known;
  }

  #writeMetadata(name: string, text: string): number {
    const { metadata } = this.#stream(name);
    this.log.push({ stream: `$$${name}`, revision: BigInt(metadata.length) });
    return metadata.push(text) - 1;
  }

  #undelete(name: string, from: number): void {
    const parsed = parse(this.metadata(name));
    if (parsed !== undefined) this.#writeMetadata(name, JSON.stringify({ ...parsed, $tb: from }));
  }

  #decide(name: string, expected: Expected, ids: readonly string[]): ModelOutcome | typeof append {
    const stream = this.#stream(name);
    const last = stream.events.length - 1;
    const wrong = { kind: "wrong-expected-revision", actual: last } as const;
    if (stream.tombstoned) return { kind: "stream-deleted" };
    if (expected === "stream_exists" && isSoftDeleted(stream)) return { kind: "stream-deleted" };
    if (expected === "stream_exists" && last < 0 && stream.metadata.length === 0) return wrong;
    if (expected === "any" || expected === "stream_exists") {
      const places = ids.map((id) => this.#recent.get(id)).map((place) => (place?.stream === name ? place : undefined));
      if (places[0] === undefined) return append;
      const end = places.at(-1);
      if (end === undefined || places.includes(undefined)) return wrong;
      if (new Set(ids).size < ids.length) return { kind: "ambiguous-repeat" };
      return this.#repeated(name, end.revision);
    }
    const revision = expected === "no_stream" ? -1 : expected;
    if (revision > last) return wrong;
    if (revision === last) return append;
    const differs = ids.findIndex((id, index) => this.id(name, revision + 1 + index) !== id);
    if (differs === 0 && revision === -1 && isSoftDeleted(stream)) return append;
    if (differs >= 0 || ids.length === 0) return wrong;
    return this.#repeated(name, revision + ids.length);
  }

  #repeated(name: string, revision: number): ModelOutcome {
    const visible = this.visible(name);
    return { kind: "repeated", revision, hidden: typeof visible === "string" || !visible.includes(revision) };
  }
}

const isSoftDeleted = (stream: ModelStream): boolean => stream.metadata.at(-1)?.includes(largest.toString()) === true;

const parse = (text: string | undefined): Record<string, unknown> | undefined => {
  try {
    const parsed: unknown = JSON.parse(text ?? "{}");
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : undefined;
  } catch {
    return undefined;
  }
};

/** All keys count for nothing where one that the server knows is of the wrong type; out of range it counts for itself. */
const effective = (text: string | undefined): { readonly $tb?: number; readonly $maxCount?: number } => {
  const { $tb, $maxCount, $acl = {} } = parse(text) ?? {};
  const isInteger = (value: unknown): boolean => value === undefined || Number.isInteger(value);
  const isRole = ([key, role]: readonly [string, unknown]): boolean =>
    ["$r", "$w", "$d", "$mr", "$mw"].includes(key) && typeof role === "string";
  if (!isInteger($tb) || !isInteger($maxCount) || !Object.entries($acl ?? {}).every(isRole)) return {};
  return {
    ...(typeof $tb === "number" && $tb >= 0 ? { $tb } : {}),
    ...(typeof $maxCount === "number" && $maxCount > 0 ? { $maxCount } : {}),
  };
};
