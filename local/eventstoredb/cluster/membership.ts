/** The members of a cluster and who leads it. Gossip tells of them, and who is not the leader sends others to it. */
import { randomUUID } from "node:crypto";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface Member {
  /** A UUID. */
  readonly instanceId: string;
  readonly role: "leader" | "follower";
  /** Where clients reach it. */
  readonly endpoint: Endpoint;
}

/** One server's place in the cluster. */
export interface Membership {
  isLeader(): boolean;
  /** Makes this member the leader, as an election would, and the one that was a follower. */
  lead(): void;
  /** Another one leads, if this one did: the first that is left. */
  leave(): void;
}

export class Cluster {
  readonly #endpoints = new Map<string, () => Endpoint>();
  readonly #listeners = new Set<() => void>();
  #leader: string | undefined;

  /**
   * The first to join leads.
   * @param endpoint asked for each time, since a port may be assigned late
   */
  join(endpoint: () => Endpoint): Membership {
    const instanceId = randomUUID();
    this.#endpoints.set(instanceId, endpoint);
    this.#leader ??= instanceId;
    return {
      isLeader: () => this.#leader === instanceId,
      lead: () => {
        if (this.#endpoints.has(instanceId)) this.#elect(instanceId);
      },
      leave: () => {
        this.#endpoints.delete(instanceId);
        if (this.#leader === instanceId) this.#elect([...this.#endpoints.keys()][0]);
      },
    };
  }

  /** Calls back after each change of the leader. Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  members(): readonly Member[] {
    return [...this.#endpoints].map(([instanceId, endpoint]) => ({
      instanceId,
      role: instanceId === this.#leader ? "leader" : "follower",
      endpoint: endpoint(),
    }));
  }

  leader(): Member | undefined {
    return this.members().find(({ role }) => role === "leader");
  }

  #elect(instanceId: string | undefined): void {
    this.#leader = instanceId;
    for (const listener of [...this.#listeners]) listener();
  }
}
