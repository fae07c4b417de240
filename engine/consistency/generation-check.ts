/**
 * One comparison of every row and guard of one generation with the events, while traffic runs. Reads only.
 *
 * A live view moves while it is checked, so each row is judged by an exact picture: the row, the guards of the streams that
 * touch it, and the row again with its counter unmoved; what it must hold is the fold of each of those streams up to its
 * guard. Where the guard sits in the row, one read is such a picture. Rows are looked at last, after the guards were given
 * the time to bring in what was there when the check began, so that they are judged with all of that in them.
 */
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { comparePositions, type Position } from "../event-store/position.ts";
import { viewTarget } from "../quarantine/quarantine-record.ts";
import type { Generation } from "../views/catalog.ts";
import type { Guard } from "../views/guard.ts";
import { guardOfItem, type Item, type ItemKey, keyOfRowItem, rowItemKey, streamOfGuardItem } from "../views/item.ts";
import type { Projection, RowKey } from "../views/projection.ts";
import { guardKeyOf } from "../views/stream-keys.ts";
import type { CheckContext } from "./check.ts";
import { type Difference, rowDifference } from "./difference.ts";
import { History, type StreamHistory } from "./history.ts";
import { isSameRow } from "./plain-row.ts";
import { keysNamedBy, onlyRow } from "./row-name.ts";
import { pictureOfRow } from "./row-picture.ts";
import { RowSample } from "./row-sample.ts";
import { type RowScope, rowsNamed } from "./row-scope.ts";
import { Spill, type SpilledMap } from "./spill.ts";
import { foundAttributes, getItems, itemText, keyOfItem, readRevisions, scanItems } from "./table-items.ts";

export interface CheckOptions {
  /** Rows, guards and streams that are held in memory, of each at least so many; all else lies on disk. 1,000 unless set. */
  readonly heldInMemory?: number;
  /** Only these rows, with the guards of the streams that touch them; all unless given. */
  readonly only?: RowsAsked;
  /** How long a guard may stay behind the events that were there when the check began; 10 s unless set. */
  readonly waitForGuardsMs?: number;
  /** Differences, and undecided rows, that are listed; all are counted. 100 unless set. */
  readonly differencesListed?: number;
  readonly onEvents?: (events: number, at: Position, tail: Position) => void;
  /** Told when the check begins to wait for so many guards. */
  readonly onWaiting?: (guards: number) => void;
}

export type RowsAsked =
  /** So many, half from the keys that the log says and half from those in the table; the same seed takes the same again. */
  | { readonly sample: number; readonly seed: string }
  /** Named as people name rows. That there is none of this name is an error, unless it was there before a repair. */
  | { readonly row: string; readonly mayBeGone?: true };

/** A row of which nobody can say whether it is right. */
export interface UndecidedRow {
  readonly key: RowKey;
  readonly why: string;
}

export interface CheckReport {
  readonly view: string;
  readonly generation: string;
  readonly version: number;
  /** As asked; absent where all rows were compared. */
  readonly only?: RowsAsked;
  /** Rows and guards compared. */
  readonly rows: number;
  readonly guards: number;
  /** Events of the view's streams. */
  readonly events: number;
  readonly differenceCount: number;
  /** Those of them that are events which have not arrived yet, or wait in quarantine: missing, and not wrong. */
  readonly lateCount: number;
  /** The first of them. */
  readonly differences: readonly Difference[];
  readonly undecidedCount: number;
  /** The first of them. */
  readonly undecided: readonly UndecidedRow[];
  /** Streams of which the log no longer holds every event: nobody can say what the missing ones changed. */
  readonly scavengedStreams: number;
}

const rowsAtOnce = 100;
const picturesAtOnce = 4;
const firstPollMs = 25;
const longestPollMs = 500;
const defaultWaitForGuardsMs = 10_000;
const defaultDifferencesListed = 100;

/** Nobody writes the generation any more: what it lacks says nothing. */
export class GenerationRetiredError extends Error {
  readonly code = "GENERATION_RETIRED";
  override readonly name = "GenerationRetiredError";
}

export class GenerationCheck {
  readonly #context: CheckContext;
  readonly #projection: Projection;
  readonly #generation: Generation;
  readonly #options: CheckOptions & RetirementWatch;
  readonly #history: History;
  readonly #scope: RowScope | undefined;
  readonly #spill: Spill;
  /** Items with a row, and in a view of one row a stream also those with a guard alone, by item text. */
  readonly #rows: SpilledMap<Item>;
  /** Guards as scanned, by the text of the item that they sit in, each with a name to tell it by. */
  readonly #guards: SpilledMap<{ readonly guard: Guard; readonly name: string; readonly key: RowKey }>;
  /** Guards that have come on since the scan, by item text. Apart from those above, which are the history's floors. */
  readonly #arrived: SpilledMap<Guard>;
  readonly #differences: Difference[] = [];
  #differenceCount = 0;
  #lateCount = 0;
  readonly #undecided: UndecidedRow[] = [];
  #undecidedCount = 0;
  #compared = 0;
  #tail: Position | undefined;

  private constructor(
    context: CheckContext,
    projection: Projection,
    generation: Generation,
    options: CheckOptions & RetirementWatch,
    scope: RowScope | undefined,
  ) {
    this.#context = context;
    this.#projection = projection;
    this.#generation = generation;
    this.#options = options;
    this.#scope = scope;
    const { heldInMemory } = options;
    this.#spill = new Spill(heldInMemory);
    this.#rows = this.#spill.map();
    this.#guards = this.#spill.map();
    this.#arrived = this.#spill.map();
    this.#history = new History({
      eventStore: context.eventStore,
      projection,
      generation,
      heldInMemory,
      ...(scope === undefined ? {} : { only: scope }),
      floorOf: (stream) => this.#guards.get(itemText(guardKeyOf(projection, stream)))?.guard.revision ?? -1n,
      onEvents: (events, at) => {
        options.onEvents?.(events, at, this.#tail ?? at);
      },
    });
  }

  /** Throws GenerationRetiredError where that is seen in time, and RowNotFoundError when one row is asked for, and there is none of that name or more than one. */
  static async run(
    context: CheckContext,
    projection: Projection,
    generation: Generation,
    options: CheckOptions & RetirementWatch,
  ): Promise<CheckReport> {
    const { only } = options;
    // Every event up to here must have arrived, or must do so within the wait.
    const start = await context.eventStore.tail();
    const sample =
      only !== undefined && "sample" in only
        ? await RowSample.taken({ ...context, projection, generation }, only.sample, only.seed, start)
        : undefined;
    const scope = only !== undefined && "row" in only ? rowsNamed(only.row) : sample;
    using check = new GenerationCheck(context, projection, generation, options, scope);
    return await check.#run(start, async () => {
      if (only === undefined) await check.#scan();
      else if (sample !== undefined) check.#keep(sample.items);
      else if ("row" in only) await check.#findRow(start, only);
    });
  }

  [Symbol.dispose](): void {
    this.#history.close();
    this.#spill.close();
  }

  /** `readTable` reads what is to be known of the table before the log. */
  async #run(start: Position, readTable: () => Promise<void>): Promise<CheckReport> {
    this.#tail = start;
    await readTable();
    await this.#history.foldTo(start);
    const stuck = this.#streamsBehind();
    await this.#waitForGuards(stuck);
    // A guard may be ahead of `start`, but not of a tail that is taken after it was read.
    await this.#history.catchUp();
    await this.#checkGuards();
    if (this.#projection.rows === "one-per-stream") await this.#checkOwnedRows(stuck);
    else await this.#checkSharedRows();
    for (const page of stuck.pages()) {
      for (const [stream, { expected, actual }] of page) this.#report(await this.#whyBehind(stream, expected, actual));
    }
    return {
      view: this.#projection.name,
      generation: this.#generation.id,
      version: this.#generation.version,
      ...asAsked(this.#options.only),
      rows: this.#compared,
      guards: this.#guardsJudged(),
      events: this.#history.events,
      differenceCount: this.#differenceCount,
      lateCount: this.#lateCount,
      differences: this.#differences,
      undecidedCount: this.#undecidedCount,
      undecided: this.#undecided,
      scavengedStreams: this.#scavengedStreams(),
    };
  }

  #guardsJudged(): number {
    let judged = this.#guards.size;
    for (const page of this.#arrived.pages()) judged += page.filter(([text]) => !this.#guards.has(text)).length;
    return judged;
  }

  #scavengedStreams(): number {
    let scavenged = 0;
    for (const page of this.#history.streams.pages()) scavenged += page.filter(([, stream]) => stream.scavenged).length;
    return scavenged;
  }

  async #whyBehind(stream: string, expected: Guard, actual: Guard | undefined): Promise<Difference> {
    const waits = await this.#quarantinedAt(stream, (actual?.revision ?? -1n) + 1n);
    return waits ?? { kind: "guard-behind", stream, expected, actual };
  }

  /** The stream waits at this event, which somebody has to decide about; undefined where nobody was told to. */
  async #quarantinedAt(stream: string, revision: bigint): Promise<Difference | undefined> {
    const target = viewTarget(this.#projection.name, this.#generation.id);
    const record = await this.#context.quarantine.read(target, stream);
    if (record?.state !== "quarantined" || record.revision !== revision) return undefined;
    return { kind: "quarantined", stream, revision, lastError: record.lastError };
  }

  async #scan(): Promise<void> {
    for await (const items of scanItems(this.#context.dynamodb, this.#generation.table)) this.#keep(items);
  }

  #keep(items: Iterable<Item>): void {
    for (const item of items) {
      const text = itemText(keyOfItem(item));
      const guard = guardOfItem(item);
      const stream = streamOfGuardItem(item);
      const key = keyOfRowItem(item);
      if (guard !== undefined) this.#guards.set(text, { guard, name: stream ?? key.partition, key });
      if (stream === undefined) this.#rows.set(text, item);
    }
  }

  /** That exactly one row has the name is known when the log was read: here, because one that no event touches may be there. */
  async #findRow(start: Position, { row: asked, mayBeGone }: Extract<RowsAsked, { row: string }>): Promise<void> {
    await this.#history.foldTo(start);
    const ofLog = all(this.#history.rows);
    if (ofLog.length === 0) {
      const keys = keysNamedBy(asked).map(rowItemKey);
      this.#keep((await getItems(this.#context.dynamodb, this.#generation.table, keys)).values());
    }
    const ofTable = all(this.#rows).map((item) => ({ key: keyOfRowItem(item) }));
    if (mayBeGone === true && ofLog.length + ofTable.length === 0) return;
    onlyRow(
      [...ofLog, ...ofTable],
      asked,
      `no event touches a row "${asked}", and none in the table is named so in full`,
    );
  }

  /** Those that touch a row that was asked for, and those whose guards were. */
  *#streamsAskedFor(): Generator<readonly [name: string, stream: StreamHistory], void> {
    const { streams, rows } = this.#history;
    const scope = this.#scope;
    const touching = new Set<string>();
    if (scope !== undefined) {
      for (const page of rows.pages()) {
        const wanted = page.filter(([text, { key }]) => scope.has(text, key));
        for (const [text] of wanted) for (const stream of this.#history.streamsOf(text)) touching.add(stream);
      }
    }
    const isOf = ({ guardKey, isWanted }: StreamHistory): boolean =>
      guardKey === undefined || this.#projection.rows === "shared"
        ? isWanted
        : this.#isAskedFor(itemText(guardKey), keyOfRowItem({ ...guardKey }));
    for (const page of streams.pages()) {
      yield* scope === undefined ? page : page.filter(([name, stream]) => touching.has(name) || isOf(stream));
    }
  }

  /** A sample may have taken in a row that later ones have driven out. */
  #isAskedFor(text: string, key: RowKey): boolean {
    return this.#scope?.has(text, key) !== false;
  }

  /** Streams with events that their guards have not let in, and how far those must come. */
  #streamsBehind(): SpilledMap<BehindGuard> {
    const behind = this.#spill.map<BehindGuard>();
    for (const [name, stream] of this.#streamsAskedFor()) {
      const { applicable, guardKey, floor } = stream;
      if (guardKey === undefined || applicable === undefined || floor >= applicable.revision) continue;
      behind.set(name, { key: guardKey, expected: applicable, actual: undefined });
    }
    return behind;
  }

  /**
   * Gives delivery the time to bring in what was there at the start, and leaves what stays behind: stuck, lost or damaged. A
   * row that its guard sits in is judged by its new item, which is as exact a picture as the scanned one.
   */
  async #waitForGuards(behind: SpilledMap<BehindGuard>): Promise<void> {
    const until = performance.now() + (this.#options.waitForGuardsMs ?? defaultWaitForGuardsMs);
    let isTold = false;
    for (let poll = firstPollMs; ; poll = Math.min(2 * poll, longestPollMs)) {
      const isLast = performance.now() >= until;
      let left = 0;
      for (const page of behind.pages()) left += await this.#lookAtGuards(behind, page, isLast);
      if (isLast || left === 0) return;
      if (!isTold) this.#options.onWaiting?.(left);
      isTold = true;
      if (poll === longestPollMs) await this.#refuseRetired();
      await sleep(Math.min(poll, Math.max(0, until - performance.now())));
    }
  }

  /** Takes out of `behind` those that have come. Returns how many have not; at the last look these are judged as they are read. */
  async #lookAtGuards(
    behind: SpilledMap<BehindGuard>,
    page: readonly (readonly [stream: string, awaited: BehindGuard])[],
    isLast: boolean,
  ): Promise<number> {
    const keys = page.map(([, { key }]) => key);
    const items = await getItems(this.#context.dynamodb, this.#generation.table, keys);
    let left = page.length;
    for (const [stream, awaited] of page) {
      const text = itemText(awaited.key);
      const item = items.get(text);
      const actual = guardOfItem(item);
      if (actual === undefined || actual.revision < awaited.expected.revision) {
        if (!isLast) continue;
        behind.set(stream, { ...awaited, actual });
        if (item !== undefined && !this.#isScanned(awaited.key)) this.#keep([item]);
        continue;
      }
      left -= 1;
      behind.delete(stream);
      this.#arrived.set(text, actual);
      if (this.#projection.rows === "one-per-stream" && item !== undefined) this.#rows.set(text, item);
    }
    return left;
  }

  /** It would be waited for in vain. */
  async #refuseRetired(): Promise<void> {
    if ((await this.#options.isRetired?.()) === true)
      throw new GenerationRetiredError(`nobody writes ${this.#generation.table} any more`);
  }

  #isScanned(key: ItemKey): boolean {
    const text = itemText(key);
    return this.#guards.has(text) || this.#rows.has(text);
  }

  async #checkGuards(): Promise<void> {
    for (const [stream, history] of this.#streamsAskedFor()) {
      const { guardKey, unreadable } = history;
      if (unreadable !== undefined) {
        const waits = await this.#quarantinedAt(stream, unreadable.revision);
        this.#report(waits ?? { kind: "event-unreadable", stream, ...unreadable });
      }
      const actual = guardKey === undefined ? undefined : this.#guardIn(itemText(guardKey));
      if (actual !== undefined) this.#checkGuard(stream, history, actual);
    }
    for (const page of this.#guards.pages()) {
      for (const [text, { guard, name, key }] of page) {
        if (this.#history.streamOfGuard(text) === undefined)
          this.#report({ kind: "guard-orphan", key, stream: name, actual: guard });
      }
      await turn();
    }
  }

  #checkGuard(stream: string, history: StreamHistory, actual: Guard): void {
    const { head, applicable, tombstone } = history;
    const position = this.#history.positionAt(history, actual.revision);
    if (position !== undefined) {
      const expected = { revision: actual.revision, position };
      if (comparePositions(position, actual.position) !== 0)
        this.#report({ kind: "guard-position", stream, expected, actual });
      return;
    }
    // Where nothing but a tombstone is left, nobody can say how far the stream went.
    const isKnown = tombstone === undefined || head.revision >= 0n;
    if (isKnown && actual.revision > head.revision)
      // Not beyond an event that cannot be taken: it would count as applied when it can.
      this.#report({ kind: "guard-ahead", stream, expected: applicable ?? head, actual });
  }

  /** An item is an exact picture: row and guard were read as one. A row that is gone took its guard with it. */
  async #checkOwnedRows(stuck: SpilledMap<BehindGuard>): Promise<void> {
    for (const page of this.#rows.pages()) {
      for (const [text, item] of page) {
        if (!this.#isAskedFor(text, keyOfRowItem(item))) continue;
        const stream = this.#history.streamOfGuard(text);
        this.#compareOwned(keyOfItem(item), item, stream, this.#guardIn(text)?.revision);
      }
      await turn();
    }
    for (const page of stuck.pages()) {
      for (const [stream, { key, expected }] of page) {
        if (!this.#rows.has(itemText(key))) this.#compareOwned(key, undefined, stream, expected.revision);
      }
    }
  }

  #compareOwned(itemKey: ItemKey, item: Item | undefined, stream: string | undefined, guard: bigint | undefined): void {
    const key = keyOfRowItem({ ...itemKey });
    const guards = new Map(stream === undefined || guard === undefined ? [] : [[stream, guard]]);
    const text = itemText(itemKey);
    const expected = this.#history.rowAt(text, guards);
    if (expected.outcome === "unknown") {
      this.#leaveUndecided(key, expected.why);
      return;
    }
    const actual = foundAttributes(item);
    const isHidden = Object.keys(actual).length === 0 && Object.keys(expected.attributes).length === 0;
    if (!isHidden) this.#compared += 1;
    const difference = rowDifference(key, expected.attributes, actual, isSameRow(expected.attributes, actual));
    if (difference !== undefined)
      this.#reportRow(
        difference,
        key,
        this.#history.whyDoubtful(text, () => guard ?? -1n),
      );
  }

  async #checkSharedRows(): Promise<void> {
    // First those that no event touches: when others are looked at, the log is read on, and may touch them.
    for (const page of this.#rows.pages()) {
      const unknown = page.filter(([text]) => !this.#history.rows.has(text));
      await this.#checkShared(unknown.map(([text, item]) => [text, keyOfRowItem(item)]));
    }
    for (const page of this.#history.rows.pages()) {
      await this.#checkShared(page.map(([text, { key }]) => [text, key]));
    }
  }

  async #checkShared(rows: readonly (readonly [text: string, key: RowKey])[]): Promise<void> {
    const keys = rows.filter(([text, key]) => this.#isAskedFor(text, key));
    this.#compared += keys.length;
    const { dynamodb } = this.#context;
    const seen = (stream: string): bigint => this.#seenOf(stream);
    const queue = (await this.#rowsNotAtRest(keys)).values();
    const work = async (): Promise<void> => {
      for (const key of queue) {
        const picture = await pictureOfRow(dynamodb, this.#generation.table, this.#history, key, seen);
        if (picture.outcome === "undecided") this.#leaveUndecided(key, picture.why);
        else if (picture.outcome === "differs") {
          const text = itemText(rowItemKey(key));
          const doubtful = await this.#guardsOf(this.#history.doubtfulOf(text));
          this.#reportRow(
            picture.difference,
            key,
            this.#history.whyDoubtful(text, (stream) => doubtful.get(stream) ?? -1n),
          );
        }
      }
    };
    await Promise.all(Array.from({ length: picturesAtOnce }, work));
  }

  /** Those that no scan has seen are read. */
  async #guardsOf(streams: readonly string[]): Promise<ReadonlyMap<string, bigint>> {
    const seen = new Map(streams.map((stream) => [stream, this.#seenOf(stream)]));
    if (this.#scope === undefined) return seen;
    const keys = streams.map((stream): [string, ItemKey] => [stream, guardKeyOf(this.#projection, stream)]);
    return readRevisions(this.#context.dynamodb, this.#generation.table, new Map(keys));
  }

  /**
   * Most rows rest: all their streams' guards stood at their heads when they were read, so there is no guard to read again,
   * and one read of many rows is a picture of each. Returns the others, and those that this does not find right.
   */
  async #rowsNotAtRest(keys: readonly (readonly [text: string, key: RowKey])[]): Promise<RowKey[]> {
    const left: RowKey[] = [];
    for (let start = 0; start < keys.length; start += rowsAtOnce) {
      const some = keys.slice(start, start + rowsAtOnce);
      const itemKeys = some.map(([, key]) => rowItemKey(key));
      const items = await getItems(this.#context.dynamodb, this.#generation.table, itemKeys);
      for (const [text, key] of some) if (!this.#agreesAtRest(text, items.get(text))) left.push(key);
    }
    return left;
  }

  #agreesAtRest(text: string, item: Item | undefined): boolean {
    const heads = new Map<string, bigint>();
    for (const stream of this.#history.streamsOf(text)) {
      const head = this.#history.headOf(stream);
      if (this.#seenOf(stream) !== head) return false;
      heads.set(stream, head);
    }
    const expected = this.#history.rowAt(text, heads);
    return expected.outcome === "told" && isSameRow(expected.attributes, foundAttributes(item));
  }

  /** Where a guard has once stood: at least there it stands. */
  #seenOf(stream: string): bigint {
    const guardKey = this.#history.streams.get(stream)?.guardKey;
    const arrived = guardKey === undefined ? undefined : this.#arrived.get(itemText(guardKey));
    return arrived?.revision ?? this.#history.floorOf(stream);
  }

  #guardIn(text: string): Guard | undefined {
    return this.#arrived.get(text) ?? this.#guards.get(text)?.guard;
  }

  /** Where events are gone from the log, or cannot be read any more, nobody can tell a wrong row from one that counts them. */
  #reportRow(difference: Difference, key: RowKey, doubtful: string | undefined): void {
    if (doubtful === undefined) this.#report(difference);
    else this.#leaveUndecided(key, `it differs, but ${doubtful}`);
  }

  #leaveUndecided(key: RowKey, why: string): void {
    this.#undecidedCount += 1;
    if (this.#undecided.length < this.#listed) this.#undecided.push({ key, why });
  }

  #report(difference: Difference): void {
    this.#differenceCount += 1;
    if (difference.kind === "guard-behind" || difference.kind === "quarantined") this.#lateCount += 1;
    if (this.#differences.length < this.#listed) this.#differences.push(difference);
  }

  get #listed(): number {
    return this.#options.differencesListed ?? defaultDifferencesListed;
  }
}

/** Of what was asked for by name there are few. */
function all<Value>(map: SpilledMap<Value>): Value[] {
  return [...map.pages()].flatMap((page) => page.map(([, value]) => value));
}

function asAsked(only: RowsAsked | undefined): Pick<CheckReport, "only"> {
  if (only === undefined) return {};
  return { only: "row" in only ? { row: only.row } : only };
}

interface RetirementWatch {
  /** Whether projectors have stopped to write the generation; they go on unless told. */
  readonly isRetired?: () => Promise<boolean>;
}

interface BehindGuard {
  readonly key: ItemKey;
  readonly expected: Guard;
  /** As last read. */
  readonly actual: Guard | undefined;
}
