/**
 * Who makes a call, by its `authorization` header. A password is verified once and its header then known by a keyed digest,
 * so that no call but the first waits for a hash, and no password stays in memory. Any change of a user ends what is known.
 */
import { createHmac, randomBytes } from "node:crypto";
import { BoundedMap } from "../log/bounded-map.ts";
import type { EventLog } from "../log/event-log.ts";
import { anonymous, type Principal } from "./principal.ts";
import { isUserStream, type Users } from "./users.ts";

export type Authentication = Principal | { readonly kind: "invalid" };

const invalid: Authentication = { kind: "invalid" };
const rememberedHeaders = 1000;

/** As the real server: what is no Basic header with a name and a password is not looked at, and the caller is anonymous. */
const credentialsIn = (header: string): { readonly name: string; readonly password: string } | undefined => {
  const [, encoded] = /^basic +([a-z0-9+/=]+)$/i.exec(header) ?? [];
  if (encoded === undefined) return undefined;
  const decoded = Buffer.from(encoded, "base64").toString("utf8");
  const separator = decoded.indexOf(":");
  if (separator < 0) return undefined;
  return { name: decoded.slice(0, separator), password: decoded.slice(separator + 1) };
};

export class Authenticator {
  readonly #users: Users;
  readonly #key = randomBytes(32);
  readonly #known = new BoundedMap<string, Principal>(rememberedHeaders);
  readonly #underWay = new Map<string, Promise<Authentication>>();
  #changes = 0;

  constructor(log: EventLog, users: Users) {
    this.#users = users;
    log.onCommit(({ streams }) => {
      for (const stream of streams) {
        // `$user-x`, and its metadata, by which a user is deleted.
        if (!isUserStream(stream) && !isUserStream(stream.slice(2))) continue;
        this.#changes += 1;
        this.#known.clear();
        this.#underWay.clear();
        return;
      }
    });
  }

  /** A promise only where a password has to be verified. */
  authenticate(header: string | undefined): Authentication | Promise<Authentication> {
    if (header === undefined) return anonymous;
    const digest = createHmac("sha256", this.#key).update(header).digest("base64");
    const known = this.#known.get(digest) ?? this.#underWay.get(digest);
    if (known !== undefined) return known;
    const credentials = credentialsIn(header);
    if (credentials === undefined) return anonymous;
    const verified = this.#verify(digest, credentials.name, credentials.password);
    this.#underWay.set(digest, verified);
    const over = (): void => {
      if (this.#underWay.get(digest) === verified) this.#underWay.delete(digest);
    };
    void verified.then(over, over);
    return verified;
  }

  async #verify(digest: string, name: string, password: string): Promise<Authentication> {
    const changes = this.#changes;
    const groups = await this.#users.verify(name, password);
    if (groups === undefined) return invalid;
    const principal: Principal = { kind: "user", name, groups };
    // A password that was changed while it was verified is not remembered.
    if (changes === this.#changes) this.#known.set(digest, principal);
    return principal;
  }
}
