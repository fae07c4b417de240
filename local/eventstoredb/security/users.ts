/**
 * The users of a store, kept where EventStoreDB keeps them: `$user-NAME` holds a user, its last event counts; `$users` names
 * all of them. Of a password only its hash is there.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { decodeRecord, type ProposedEvent } from "../log/event.ts";
import type { EventLog } from "../log/event-log.ts";
import type { ExpectedRevision } from "../log/expected-revision.ts";
import { metadataStreamOf, systemTypes } from "../log/system-streams.ts";
import { hashOfNobody, hashPassword, verifyPassword } from "./password-hash.ts";
import { roles } from "./principal.ts";

/** What the server's own users are called. */
export type DefaultUser = "admin" | "ops";

export interface UserDetails {
  readonly loginName: string;
  readonly fullName: string;
  readonly groups: readonly string[];
  readonly disabled: boolean;
  /** Milliseconds since the Unix epoch. */
  readonly lastUpdated: number;
}

export type UserOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "not-found" }
  /** A user of that name is there, or another change came first. */
  | { readonly kind: "conflict" }
  | { readonly kind: "wrong-password" };

const done: UserOutcome = { kind: "done" };

const storedUser = z.object({
  loginName: z.string(),
  fullName: z.string().nullish(),
  salt: z.string(),
  hash: z.string(),
  disabled: z.boolean(),
  groups: z.array(z.string()).nullish(),
});
type StoredUser = z.infer<typeof storedUser>;

interface Found {
  readonly user: StoredUser;
  readonly revision: bigint;
  readonly lastUpdated: number;
}

const usersStream = "$users";
const notificationsStream = "$users-password-notifications";
const userStreamPrefix = "$user-";
const userStream = (loginName: string): string => userStreamPrefix + loginName;
const pageEvents = 256;

export const isUserStream = (stream: string): boolean => stream.startsWith(userStreamPrefix);

const event = (type: string, data: Buffer, isJson = true): ProposedEvent => ({
  id: randomUUID(),
  type,
  isJson,
  data,
  metadata: new Uint8Array(0),
});
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

const defaultUsers: Readonly<Record<DefaultUser, { readonly fullName: string; readonly groups: readonly string[] }>> = {
  admin: { fullName: "Event Store Administrator", groups: [roles.admins] },
  ops: { fullName: "Event Store Operations", groups: [roles.operations] },
};

export class Users {
  readonly #log: EventLog;

  constructor(log: EventLog) {
    this.#log = log;
  }

  has(loginName: string): boolean {
    return this.#find(loginName) !== undefined;
  }

  /** The groups of a user whose password this is and who is not disabled; undefined for anybody else. */
  async verify(loginName: string, password: string): Promise<readonly string[] | undefined> {
    const user = this.#find(loginName)?.user;
    const fits = await verifyPassword(password, user ?? hashOfNobody);
    return fits && user?.disabled === false ? (user.groups ?? []) : undefined;
  }

  async createDefault(name: DefaultUser, password: string): Promise<void> {
    const { fullName, groups } = defaultUsers[name];
    await this.create(name, fullName, groups, password);
  }

  async create(loginName: string, fullName: string, groups: readonly string[], password: string): Promise<UserOutcome> {
    const existing = this.#find(loginName);
    // A repeat, as far as one can tell.
    if (existing !== undefined) {
      return (await verifyPassword(password, existing.user)) ? done : { kind: "conflict" };
    }
    const { salt, hash } = await hashPassword(password);
    const stream = userStream(loginName);
    const acl = { $acl: { $w: roles.admins, $d: roles.admins, $mw: roles.admins } };
    const user: StoredUser = { loginName, fullName, salt, hash, disabled: false, groups: [...groups] };
    const created = await this.#log.append({
      stream,
      expectedRevision: this.#lastOf(stream),
      events: [event("$UserCreated", json(user))],
    });
    if (created.kind !== "appended") return { kind: "conflict" };
    await this.#append(metadataStreamOf(stream), event(systemTypes.metadata, json(acl)));
    await this.#append(usersStream, event("$User", Buffer.from(loginName), false));
    return done;
  }

  update(loginName: string, fullName: string, groups: readonly string[]): Promise<UserOutcome> {
    return this.#change(loginName, (user) => ({ ...user, fullName, groups: [...groups] }));
  }

  setDisabled(loginName: string, disabled: boolean): Promise<UserOutcome> {
    return this.#change(loginName, (user) => ({ ...user, disabled }));
  }

  async resetPassword(loginName: string, newPassword: string): Promise<UserOutcome> {
    if (!this.has(loginName)) return { kind: "not-found" };
    const hashed = await hashPassword(newPassword);
    return this.#changePassword(loginName, hashed);
  }

  async changePassword(loginName: string, currentPassword: string, newPassword: string): Promise<UserOutcome> {
    const found = this.#find(loginName);
    if (found === undefined) return { kind: "not-found" };
    if (!(await verifyPassword(currentPassword, found.user))) return { kind: "wrong-password" };
    const hashed = await hashPassword(newPassword);
    return this.#changePassword(loginName, hashed, found.revision);
  }

  async delete(loginName: string): Promise<UserOutcome> {
    const found = this.#find(loginName);
    if (found === undefined) return { kind: "not-found" };
    const outcome = await this.#log.delete({ stream: userStream(loginName), expectedRevision: found.revision });
    return outcome.kind === "deleted" ? done : { kind: "conflict" };
  }

  details(loginName: string): UserDetails | undefined {
    const found = this.#find(loginName);
    if (found === undefined) return undefined;
    const { user, lastUpdated } = found;
    return {
      loginName,
      fullName: user.fullName ?? "",
      groups: user.groups ?? [],
      disabled: user.disabled,
      lastUpdated,
    };
  }

  /** By name. */
  all(): readonly UserDetails[] {
    const names = new Set<string>();
    let next: bigint | undefined = 0n;
    while (next !== undefined) {
      const page = this.#log.streams.forwards(usersStream, next, pageEvents);
      if (page.kind !== "page") break;
      for (const { record } of page.events) names.add(Buffer.from(decodeRecord(record).data).toString("utf8"));
      next = page.next;
    }
    return [...names]
      .sort()
      .map((name) => this.details(name))
      .filter((details) => details !== undefined);
  }

  #find(loginName: string): Found | undefined {
    const stored = this.#log.streams.event(userStream(loginName), -1n);
    if (stored === undefined) return undefined;
    const contents = decodeRecord(stored.record);
    let data: unknown;
    try {
      data = JSON.parse(Buffer.from(contents.data).toString("utf8"));
    } catch {
      return undefined;
    }
    const parsed = storedUser.safeParse(data);
    if (!parsed.success) return undefined;
    return { user: parsed.data, revision: stored.revision, lastUpdated: contents.created };
  }

  async #changePassword(
    loginName: string,
    { salt, hash }: { readonly salt: string; readonly hash: string },
    expected?: bigint,
  ): Promise<UserOutcome> {
    const outcome = await this.#change(loginName, (user) => ({ ...user, salt, hash }), expected);
    if (outcome.kind === "done")
      await this.#append(notificationsStream, event("$PasswordChanged", json({ loginName })));
    return outcome;
  }

  async #change(loginName: string, change: (user: StoredUser) => StoredUser, expected?: bigint): Promise<UserOutcome> {
    const found = this.#find(loginName);
    if (found === undefined) return { kind: "not-found" };
    const outcome = await this.#log.append({
      stream: userStream(loginName),
      expectedRevision: expected ?? found.revision,
      events: [event("$UserUpdated", json(change(found.user)))],
    });
    return outcome.kind === "appended" ? done : { kind: "conflict" };
  }

  #lastOf(stream: string): ExpectedRevision {
    const last = this.#log.lastRevision(stream);
    return last < 0n ? "no-stream" : last;
  }

  async #append(stream: string, appended: ProposedEvent): Promise<void> {
    await this.#log.append({ stream, expectedRevision: "any", events: [appended] });
  }
}
