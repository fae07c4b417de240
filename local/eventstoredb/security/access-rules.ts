/**
 * Who may do what, as EventStoreDB's access lists and its default policy have it. Pure: a principal, an action and the
 * lists that apply, nothing else. Anonymous callers may look at the cluster and at nothing more.
 */
import { isMetadataStream, originalStreamOf } from "../log/system-streams.ts";
import { isAdmin, isOperator, roles, type Principal } from "./principal.ts";
import { holdersOf, type DefaultAcls, type StreamAcl, type StreamRight } from "./stream-acl.ts";

export type Action =
  /** Gossip and server features: whoever looks for a server has to find it first. */
  | { readonly kind: "look-at-cluster" }
  | { readonly kind: "use-stream"; readonly right: "read" | "write" | "delete"; readonly stream: string }
  /** Connect to a persistent subscription; it reads `stream`, or `$all`. */
  | { readonly kind: "consume"; readonly stream: string }
  /** Create, update, delete, replay and restart. */
  | { readonly kind: "manage-subscriptions" }
  | { readonly kind: "inspect-subscriptions" }
  | { readonly kind: "manage-users" }
  | { readonly kind: "inspect-users" }
  | { readonly kind: "change-password"; readonly name: string };

/** What the rules have to know of the store. */
export interface AclFacts {
  acl(stream: string): StreamAcl | undefined;
  defaults(): DefaultAcls;
}

export type Verdict = "allowed" | "refused";

const verdict = (allowed: boolean): Verdict => (allowed ? "allowed" : "refused");

/** What an action on `$$s` is on `s`; there is no delete of a metadata stream. */
const metadataRights = { read: "metadata-read", write: "metadata-write", delete: undefined } as const;

const mayUseStream = (
  principal: Principal,
  action: "read" | "write" | "delete",
  stream: string,
  facts: AclFacts,
): boolean => {
  if (principal.kind === "anonymous") return false;
  // The log itself is neither written to nor deleted: not even by an admin, nor is metadata deleted.
  if ((stream === "$all" || stream === "") && action !== "read") return false;
  const isMetadata = isMetadataStream(stream);
  const right: StreamRight | undefined = isMetadata ? metadataRights[action] : action;
  if (right === undefined) return false;
  if (isAdmin(principal)) return true;
  const owner = isMetadata ? originalStreamOf(stream) : stream;
  const holders = holdersOf(owner, right, facts.acl(owner), facts.defaults());
  return holders.some((name) => name === roles.all || name === principal.name || principal.groups.includes(name));
};

export const decideAccess = (principal: Principal, action: Action, facts: AclFacts): Verdict => {
  switch (action.kind) {
    case "look-at-cluster":
      return "allowed";
    case "use-stream":
      return verdict(mayUseStream(principal, action.right, action.stream, facts));
    case "consume":
      return verdict(mayUseStream(principal, "read", action.stream, facts));
    case "manage-subscriptions":
      return verdict(isAdmin(principal) || isOperator(principal));
    case "inspect-subscriptions":
    case "inspect-users":
      return verdict(principal.kind === "user");
    case "manage-users":
      return verdict(isAdmin(principal));
    case "change-password":
      return verdict(principal.kind === "user" && principal.name === action.name);
  }
};
