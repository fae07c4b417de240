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
  #bySource = new Map<string, Group[]>();
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

  /**
   * The group begins before the list is written: the event that brings the list is the first that one to `$all` from
   * the end is sent, as on the real server.
   * @throws UnsupportedRegexError
   */
  create(definition: GroupDefinition): Promise<GroupOutcome> {
    return this.#change(async () => {
      const wrongStart = this.#startFault(definition);
      if (wrongStart !== undefined) return { kind: "failed", reason: wrongStart };
      if (this.#groups.has(groupId(definition))) return { kind: "exists" };
      const reason = settingsFault(definition.settings);
      if (reason !== undefined) return { kind: "failed", reason };
      const group = this.#add(definition);
      try {
        await this.#save();
      } catch (error) {
        this.#remove(group);
        await group.stop();
        throw error;
      }
      return done;
    });
  }

  /** Drops the consumers and goes on from the checkpoint with the new settings. The filter stays as it was. */
  update(key: GroupKey, settings: GroupDefinition["settings"]): Promise<GroupOutcome> {
    return this.#change(async () => {
      const group = this.#groups.get(groupId(key));
      if (group === undefined) return doesNotExist;
      const definition = { ...group.definition, settings };
      const reason = this.#startFault(definition) ?? settingsFault(settings);
      if (reason !== undefined) return { kind: "failed", reason };
      await group.stop();
      this.#add(definition);
      await this.#save();
      return done;
    });
  }

  /**
   * The group's streams go before the group leaves the list: after a crash in between it starts anew, or is gone, and
   * one that is created under its name finds no checkpoint of it.
   */
  delete(key: GroupKey): Promise<GroupOutcome> {
    return this.#change(async () => {
      const group = this.#groups.get(groupId(key));
      if (group === undefined) return doesNotExist;
      this.#remove(group);
      await group.delete();
      await this.#save();
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

  /** The groups of one source, or of all, by source. Undefined for a source that never had one. */
  list(source?: string): readonly Group[] | undefined {
    if (source !== undefined) return this.#bySource.get(source);
    const sources = [...this.#bySource].sort(([one], [other]) => (one < other ? -1 : 1));
    return sources.flatMap(([, groups]) => groups);
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

  #startFault({ source, settings: { startFrom } }: GroupDefinition): string | undefined {
    if (source !== allSource || startFrom === "end" || startFrom <= this.#log.all.lastPosition()) return undefined;
    return "Invalid Start From position: commit position must be less than or equal to the last commit position in the transaction file.";
  }

  #save(): Promise<void> {
    return saveConfiguration(
      this.#log,
      [...this.#groups.values()].map((group) => group.definition),
    );
  }

  #load(): void {
    for (const definition of loadConfiguration(this.#log)) this.#add(definition);
  }

  /** A group of the same name has been stopped, and gives up its place. */
  #add(definition: GroupDefinition): Group {
    const group = new Group(this.#log, definition, this.#now);
    const before = this.#groups.get(groupId(definition));
    this.#groups.set(groupId(definition), group);
    const others = this.#bySource.get(definition.source) ?? [];
    this.#bySource.set(
      definition.source,
      before === undefined ? [...others, group] : others.map((other) => (other === before ? group : other)),
    );
    return group;
  }

  #remove(group: Group): void {
    const { source } = group.definition;
    this.#groups.delete(groupId(group.definition));
    this.#bySource.set(
      source,
      (this.#bySource.get(source) ?? []).filter((other) => other !== group),
    );
  }

  #committed({ events, streams }: Commit): void {
    const ofAll = this.#bySource.get(allSource);
    if (ofAll !== undefined && ofAll.length > 0) {
      for (const event of events) {
        if (this.#log.all.isHidden(event)) continue;
        for (const group of ofAll) group.committed(event);
      }
    }
    for (const stream of streams) {
      const groups = this.#bySource.get(stream);
      if (groups === undefined || groups.length === 0) continue;
      const streamId = this.#log.streamId(stream);
      for (const event of events) {
        if (event.streamId === streamId) for (const group of groups) group.committed(event);
      }
    }
  }
}
