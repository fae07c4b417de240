/**
 * Access lists of streams: what `$acl` in a stream's metadata says, what `$settings` says for all streams of a kind, and
 * what holds where neither says anything. Each right falls back by itself.
 */
import { readStreamMetadata } from "../log/stream-metadata.ts";
import { roles } from "./principal.ts";

export type StreamRight = "read" | "write" | "delete" | "metadata-read" | "metadata-write";

/** Users and roles by right. A right that is absent is not spoken of; an empty list gives it to nobody. */
export type StreamAcl = Readonly<Partial<Record<StreamRight, readonly string[]>>>;

/** Defaults of a store, as the last event in `$settings` sets them. */
export interface DefaultAcls {
  readonly userStreams: StreamAcl | undefined;
  readonly systemStreams: StreamAcl | undefined;
}

export const noDefaults: DefaultAcls = { userStreams: undefined, systemStreams: undefined };

const keys: Readonly<Record<string, StreamRight>> = {
  $r: "read",
  $w: "write",
  $d: "delete",
  $mr: "metadata-read",
  $mw: "metadata-write",
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const namesIn = (value: unknown): readonly string[] | undefined => {
  if (typeof value === "string") return [value];
  return Array.isArray(value) && value.every((name) => typeof name === "string") ? value : undefined;
};

/** Undefined for what is no access list, as a whole: half a list would let in who was meant to be kept out. */
const parseAcl = (value: unknown): StreamAcl | undefined => {
  if (!isObject(value)) return undefined;
  const acl: Partial<Record<StreamRight, readonly string[]>> = {};
  for (const [key, names] of Object.entries(value)) {
    const right = Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (right === undefined) continue;
    const list = namesIn(names);
    if (list === undefined) return undefined;
    acl[right] = list;
  }
  return acl;
};

/** The access list in a `$metadata` event's data; undefined where it has none, or where the server cannot read it. */
export const aclOfMetadata = (data: Uint8Array): StreamAcl | undefined => parseAcl(readStreamMetadata(data)?.["$acl"]);

/** The defaults in the data of an event in `$settings`; none at all where one of them cannot be read. */
export const defaultAclsOfSettings = (data: Uint8Array): DefaultAcls => {
  let settings: unknown;
  try {
    settings = JSON.parse(Buffer.from(data).toString("utf8"));
  } catch {
    return noDefaults;
  }
  if (!isObject(settings)) return noDefaults;
  const [user, system] = [settings["$userStreamAcl"], settings["$systemStreamAcl"]];
  const [userStreams, systemStreams] = [parseAcl(user), parseAcl(system)];
  const isUnreadable = (given: unknown, parsed: StreamAcl | undefined): boolean =>
    given !== undefined && parsed === undefined;
  if (isUnreadable(user, userStreams) || isUnreadable(system, systemStreams)) return noDefaults;
  return { userStreams, systemStreams };
};

export const isSystemStream = (stream: string): boolean => stream.startsWith("$");

/** Who has a right on a stream: by its own list, else by the store's defaults, else everybody or, if `$`, admins. */
export const holdersOf = (
  stream: string,
  right: StreamRight,
  acl: StreamAcl | undefined,
  defaults: DefaultAcls,
): readonly string[] => {
  const system = isSystemStream(stream);
  const ofStore = system ? defaults.systemStreams : defaults.userStreams;
  return acl?.[right] ?? ofStore?.[right] ?? [system ? roles.admins : roles.all];
};
