/**
 * The access lists that stand in the log, each read once and kept until its stream is written again; and a signal to those
 * who hold on to a permission that it may have changed.
 */
import { BoundedMap } from "../log/bounded-map.ts";
import { decodeRecord } from "../log/event.ts";
import type { EventLog } from "../log/event-log.ts";
import { isMetadataStream, metadataStreamOf, originalStreamOf } from "../log/system-streams.ts";
import type { AclFacts } from "./access-rules.ts";
import { aclOfMetadata, defaultAclsOfSettings, noDefaults, type DefaultAcls, type StreamAcl } from "./stream-acl.ts";

const settingsStream = "$settings";
const cachedAcls = 20_000;

export class AclOfLog implements AclFacts {
  readonly #log: EventLog;
  /** Null: the stream has no list. */
  readonly #acls = new BoundedMap<string, StreamAcl | null>(cachedAcls);
  readonly #watchers = new Map<string, Set<() => void>>();
  #defaults: DefaultAcls | undefined;

  constructor(log: EventLog) {
    this.#log = log;
    log.onCommit(({ streams }) => {
      for (const stream of streams) {
        if (isMetadataStream(stream)) this.#changed(originalStreamOf(stream));
        else if (stream === settingsStream) this.#defaultsChanged();
      }
    });
  }

  acl(stream: string): StreamAcl | undefined {
    // Metadata streams have no metadata of their own, whatever may have been written to `$$$$s`.
    if (isMetadataStream(stream)) return undefined;
    const known = this.#acls.get(stream);
    if (known !== undefined) return known ?? undefined;
    const contents = this.#last(metadataStreamOf(stream));
    const acl = contents?.isJson === true ? aclOfMetadata(contents.data) : undefined;
    this.#acls.set(stream, acl ?? null);
    return acl;
  }

  defaults(): DefaultAcls {
    if (this.#defaults === undefined) {
      const contents = this.#last(settingsStream);
      this.#defaults = contents === undefined ? noDefaults : defaultAclsOfSettings(contents.data);
    }
    return this.#defaults;
  }

  /** Calls back when who may use the stream may have changed. Returns how to stop. */
  watch(stream: string, changed: () => void): () => void {
    const owner = isMetadataStream(stream) ? originalStreamOf(stream) : stream;
    const watchers = this.#watchers.get(owner) ?? new Set();
    this.#watchers.set(owner, watchers.add(changed));
    return () => {
      watchers.delete(changed);
      if (watchers.size === 0 && this.#watchers.get(owner) === watchers) this.#watchers.delete(owner);
    };
  }

  #last(stream: string): { readonly isJson: boolean; readonly data: Uint8Array } | undefined {
    const event = this.#log.streams.event(stream, -1n);
    return event === undefined ? undefined : decodeRecord(event.record);
  }

  #changed(stream: string): void {
    this.#acls.delete(stream);
    for (const changed of [...(this.#watchers.get(stream) ?? [])]) changed();
  }

  #defaultsChanged(): void {
    this.#defaults = undefined;
    for (const watchers of [...this.#watchers.values()]) for (const changed of [...watchers]) changed();
  }
}
