/**
 * All persistent subscription groups of a server: creates, changes and deletes them, brings committed events to those
 * that want them, and ticks their clocks once a second.
 */
import type { EventLog } from "../log/event-log.ts";
import type { Commit } from "../log/log-writer.ts";
import { loadConfiguration, saveConfiguration, type GroupDefinition } from "./configuration.ts";
import { Group } from "./group.ts";
import { allSource, groupId, type GroupKey } from "./group-key.ts";
import { settingsFault } from "./settings.ts";

export type GroupRefusal =
  | { readonly kind: "exists" }
  | { readonly kind: "does-not-exist" }
  | { readonly kind: "maximum-subscribers-reached" }
  | { readonly kind: "failed"; readonly reason: string };

export type GroupOutcome = { readonly kind: "done" } | GroupRefusal;

const done: GroupOutcome = { kind: "done" };
const doesNotExist: GroupRefusal = { kind: "does-not-exist" };
const tickMilliseconds = 1000;

export class PersistentSubscriptions {
  readonly #log: EventLog;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  readonly #stopListening: () => void;
  #groups = new Map<string, Group>();
  /** By what they read. A source whose groups were all deleted stays: it is known to have had some. */
  #bySource = new Map<string, Set<Group>>();
  #changes: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(log: EventLog, now: () => number = Date.now) {
    this.#log = log;
    this.#now = now;
    this.#load();
    this.#stopListening = log.onCommit((commit) => this.#committed(commit));
    this.#timer = setInterval(() => {
      for (const group of this.#groups.values()) group.tick();
    }, tickMilliseconds);
    this.#timer.unref();
  }

  /** @throws UnsupportedRegexError */
  create(definition: GroupDefinition): Promise<GroupOutcome> {
    return this.#change(async () => {
      if (this.#groups.has(groupId(definition))) return { kind: "exists" };
      // Before it is written down: a list with a filter that cannot be used would keep the server from starting.
      if (definition.filter !== undefined) this.#log.filter(definition.filter);
      const reason = this.#fault(definition);
      if (reason !== undefined) return { kind: "failed", reason };
      await saveConfiguration(this.#log, [...this.#definitions(), definition]);
      this.#add(definition);
      return done;
    });
  }

  /** Drops the consumers and goes on from the checkpoint with the new settings. The filter stays as it was. */
  update(key: GroupKey, settings: GroupDefinition["settings"]): Promise<GroupOutcome> {
    return this.#change(async () => {
      const group = this.#groups.get(groupId(key));
      if (group === undefined) return doesNotExist;
      const definition = { ...group.definition, settings };
      const reason = this.#fault(definition);
      if (reason !== undefined) return { kind: "failed", reason };
      const others = this.#definitions().filter((other) => groupId(other) !== groupId(key));
      await saveConfiguration(this.#log, [...others, definition]);
      this.#remove(group);
      await group.stop();
      this.#add(definition);
      return done;
    });
  }

  delete(key: GroupKey): Promise<GroupOutcome> {
    return this.#change(async () => {
      const group = this.#groups.get(groupId(key));
      if (group === undefined) return doesNotExist;
      const others = this.#definitions().filter((other) => groupId(other) !== groupId(key));
      await saveConfiguration(this.#log, others);
      this.#remove(group);
      await group.delete();
      return done;
    });
  }

  /**
   * Hands over the group, if one more consumer may connect. Waits for changes under way, so that none finds a group
   * half-changed; `join` must connect before it returns, or the place might be taken, or the group stopped, meanwhile.
   */
  async connect(key: GroupKey, join: (group: Group) => void): Promise<GroupOutcome> {
    await this.#changes;
    const group = this.#groups.get(groupId(key));
    if (group === undefined) return doesNotExist;
    const limit = group.definition.settings.maxSubscriberCount;
    if (limit > 0 && group.consumers.size >= limit) return { kind: "maximum-subscribers-reached" };
    join(group);
    return done;
  }

  replayParked(key: GroupKey, stopAt: bigint | undefined): GroupOutcome {
    const group = this.#groups.get(groupId(key));
    if (group === undefined) return doesNotExist;
    if (stopAt !== undefined && stopAt < 0n) {
      return { kind: "failed", reason: "Cannot stop replaying parked message at a negative version." };
    }
    // The real server answers at once and replays afterwards; what fails stays parked.
    group.replayParked(stopAt).catch(() => undefined);
    return done;
  }

  group(key: GroupKey): Group | undefined {
    return this.#groups.get(groupId(key));
  }

  /** The groups of one source, or of all. Undefined for a source that never had one. */
  list(source?: string): readonly Group[] | undefined {
    if (source === undefined) return [...this.#groups.values()];
    const groups = this.#bySource.get(source);
    return groups === undefined ? undefined : [...groups];
  }

  /** Drops every consumer and starts all groups again from what is written down. */
  restart(): Promise<void> {
    return this.#change(async () => {
      const groups = [...this.#groups.values()];
      this.#groups = new Map();
      this.#bySource = new Map();
      await Promise.all(groups.map((group) => group.stop()));
      this.#load();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#stopListening();
    await this.#changes.catch(() => undefined);
    await Promise.all([...this.#groups.values()].map((group) => group.stop()));
  }

  /** One change at a time: each is written to disk before the next one looks. */
  #change<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#changes.then(() => {
      if (this.#stopped) throw new Error("The event store has been stopped.");
      return work();
    });
    this.#changes = result.catch(() => undefined);
    return result;
  }

  #fault({ source, settings }: GroupDefinition): string | undefined {
    const last = this.#log.all.lastPosition();
    if (source === allSource && settings.startFrom !== "end" && settings.startFrom > last) {
      return `StartFrom position (${settings.startFrom}) is greater than the last position (${last}).`;
    }
    return settingsFault(settings);
  }

  #definitions(): readonly GroupDefinition[] {
    return [...this.#groups.values()].map((group) => group.definition);
  }

  #load(): void {
    for (const definition of loadConfiguration(this.#log)) this.#add(definition);
  }

  #add(definition: GroupDefinition): void {
    const group = new Group(this.#log, definition, this.#now);
    this.#groups.set(groupId(definition), group);
    const groups = this.#bySource.get(definition.source) ?? new Set();
    this.#bySource.set(definition.source, groups.add(group));
  }

  #remove(group: Group): void {
    this.#groups.delete(groupId(group.definition));
    this.#bySource.get(group.definition.source)?.delete(group);
  }

  #committed({ events, streams }: Commit): void {
    const ofAll = this.#bySource.get(allSource);
    if (ofAll !== undefined && ofAll.size > 0) {
      for (const event of events) {
        if (this.#log.all.isHidden(event)) continue;
        for (const group of ofAll) group.committed(event);
      }
    }
    for (const stream of streams) {
      const groups = this.#bySource.get(stream);
      if (groups === undefined || groups.size === 0) continue;
      const streamId = this.#log.streamId(stream);
      for (const event of events) {
        if (event.streamId === streamId) for (const group of groups) group.committed(event);
      }
    }
  }
}
