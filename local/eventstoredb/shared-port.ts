/**
 * One port for both protocols, as EventStoreDB has it: HTTP/2 goes to gRPC, everything else to HTTP/1.1. It owns the
 * connections: when it closes, they end as those of a process that dies, and clients see a server that is unavailable.
 */
import { lookup } from "node:dns/promises";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer, isIP, type AddressInfo, type Server as NetServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { ServerCredentials, type Server } from "@grpc/grpc-js";
import { HostUnusableError } from "./host-unusable-error.ts";
import { PortInUseError } from "./port-in-use-error.ts";
import type { Certificate } from "./security/certificate.ts";

export interface SharedPort {
  readonly port: number;
  /** Calls have a moment to end by themselves; whatever is left then is cut off. */
  close(): Promise<void>;
}

/** How long calls may take to end by themselves. */
const graceMilliseconds = 250;
/** A free port of one address may be in use on the next. */
const attempts = 5;

/** How the preface of HTTP/2 begins, and no request of HTTP/1.1 does. */
const preface = Buffer.from("PRI ");

/** Looks at the first bytes and leaves them to be read. */
const decide = (socket: Socket, decided: (isHttp2: boolean) => void): void => {
  let head = Buffer.alloc(0);
  const look = (): void => {
    const bytes: unknown = socket.read();
    if (!(bytes instanceof Buffer)) return;
    head = Buffer.concat([head, bytes]);
    const length = Math.min(head.length, preface.length);
    const isHttp2 = head.subarray(0, length).equals(preface.subarray(0, length));
    if (isHttp2 && length < preface.length) return;
    socket.off("readable", look);
    // Not before it is decided: what is put back is there to be read at once, and would be looked at for ever.
    socket.unshift(head);
    decided(isHttp2);
  };
  socket.on("readable", look);
};

const bindAddress = (server: NetServer, host: string, port: number): Promise<number> =>
  new Promise((fulfil, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      // A server that listens on TCP has such an address.
      fulfil((server.address() as AddressInfo).port);
    });
  });

const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined);

/** What a name such as localhost stands for: clients may come by any of its addresses. */
const addressesOf = async (host: string): Promise<readonly string[]> =>
  isIP(host) !== 0 ? [host] : (await lookup(host, { all: true })).map(({ address }) => address);

const closeAll = (servers: readonly NetServer[]): void => {
  for (const server of servers) server.close();
};

/** Binds all addresses to one port, or none. An address that the machine does not have is left out. */
const bindAll = async (make: () => NetServer, addresses: readonly string[], wanted: number) => {
  const servers: NetServer[] = [];
  let port = wanted;
  let unavailable: unknown;
  for (const address of addresses) {
    const server = make();
    try {
      port = await bindAddress(server, address, port);
      servers.push(server);
    } catch (error) {
      if (codeOf(error) !== "EADDRNOTAVAIL" && codeOf(error) !== "EAFNOSUPPORT") {
        closeAll(servers);
        throw error;
      }
      unavailable = error;
    }
  }
  if (servers.length === 0) throw unavailable;
  return { servers, port };
};

/** An address that the machine does not have, a name without one, and what can be neither. */
const notOurs = new Set<unknown>(["EADDRNOTAVAIL", "EAFNOSUPPORT", "EINVAL", "ENOTFOUND", "EAI_AGAIN"]);

const bind = async (make: () => NetServer, host: string, wanted: number) => {
  const addresses = await addressesOf(host).catch((error: unknown) => {
    throw new HostUnusableError(host, error);
  });
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await bindAll(make, addresses, wanted);
    } catch (error) {
      if (notOurs.has(codeOf(error))) throw new HostUnusableError(host, error);
      if (codeOf(error) !== "EADDRINUSE") throw error;
      if (wanted !== 0 || attempt === attempts) throw new PortInUseError(host, wanted, error);
    }
  }
};

/** @throws PortInUseError, HostUnusableError */
export const sharePort = async (
  grpc: Server,
  http: RequestListener,
  host: string,
  wanted: number,
  certificate: Certificate | undefined,
): Promise<SharedPort> => {
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const http1 = createHttpServer(http);
  const connections = new Set<Socket>();
  const keep = (socket: Socket): void => {
    connections.add(socket);
    socket.on("close", () => connections.delete(socket));
    // Whoever has the connection sees it close; while nobody has it, there is nobody to tell.
    socket.on("error", () => undefined);
  };
  const handOver = (socket: Socket, isHttp2: boolean): void => {
    if (isHttp2) injector.injectConnection(socket);
    else http1.emit("connection", socket);
  };
  const make = (): NetServer => {
    if (certificate === undefined) {
      return createServer((socket) => {
        keep(socket);
        decide(socket, (isHttp2) => handOver(socket, isHttp2));
      });
    }
    const { chain, privateKey } = certificate;
    return createTlsServer({ cert: chain, key: privateKey, ALPNProtocols: ["h2", "http/1.1"] }, (socket: TLSSocket) =>
      handOver(socket, socket.alpnProtocol === "h2"),
    ).on("connection", keep);
  };
  const { servers, port } = await bind(make, host, wanted);
  return {
    port,
    close: async () => {
      // A server is closed when its last connection has ended; gRPC has none of its own to wait for.
      const ended = Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
      grpc.tryShutdown(() => undefined);
      http1.closeIdleConnections();
      const grace = new AbortController();
      const over = sleep(graceMilliseconds, undefined, { signal: grace.signal }).catch(() => undefined);
      await Promise.race([ended, over]);
      grace.abort();
      for (const socket of connections) socket.destroy();
      // After its connections: it would end their calls as cancelled, which clients take for their own doing.
      grpc.forceShutdown();
    },
  };
};
