/** A gRPC server on an address: how it is made, where clients reach it, how it ends. */
import { Server, ServerCredentials, type ServerInterceptor } from "@grpc/grpc-js";
import { maximumMessageSize } from "./limits.ts";
import { PortInUseError } from "./port-in-use-error.ts";
import type { Certificate } from "./security/certificate.ts";

export interface KeepAlive {
  readonly interval: number;
  readonly timeout: number;
}

const defaultKeepAlive: KeepAlive = { interval: 10_000, timeout: 10_000 };

export const loopbackAddress = "127.0.0.1";

/**
 * @param guards what each call passes before its handler; a server without any pays nothing for them. One that is added to
 * the list later stands before the calls that come then.
 */
export const createGrpcServer = (guards: ServerInterceptor[], keepAlive = defaultKeepAlive): Server =>
  new Server({
    "grpc.max_receive_message_length": maximumMessageSize,
    "grpc.max_send_message_length": -1,
    // Its calls end with it, and what was in flight to its consumers goes to others.
    "grpc.keepalive_time_ms": keepAlive.interval,
    "grpc.keepalive_timeout_ms": keepAlive.timeout,
    interceptors: guards,
  });

/** How long calls may take to end by themselves at `stop`. */
const graceMilliseconds = 250;

/** Where clients find who listens there. Theirs cannot read IPv6 addresses: loopback and "every address" have a name. */
export const reachable = (host: string): string => {
  if (host === "0.0.0.0") return loopbackAddress;
  return host === "::" || host === "::1" ? "localhost" : host;
};

/** For clients; it holds no password. */
export const connectionStringOf = (host: string, port: number, certificate: Certificate | undefined): string => {
  const address = `esdb://${reachable(host)}:${port}`;
  if (certificate === undefined) return `${address}?tls=false`;
  const { caFile } = certificate;
  return `${address}?tls=true${caFile === undefined ? "" : `&tlsCAFile=${encodeURI(caFile).replace(/[?&#]/g, encodeURIComponent)}`}`;
};

const serverCredentials = (certificate: Certificate | undefined): ServerCredentials =>
  certificate === undefined
    ? ServerCredentials.createInsecure()
    : ServerCredentials.createSsl(null, [{ cert_chain: certificate.chain, private_key: certificate.privateKey }]);

/** @throws PortInUseError */
export const bind = (
  server: Server,
  host: string,
  port: number,
  certificate: Certificate | undefined,
): Promise<number> =>
  new Promise((fulfil, reject) => {
    const address = host.includes(":") ? `[${host}]` : host;
    server.bindAsync(`${address}:${port}`, serverCredentials(certificate), (error, bound) => {
      if (error === null) fulfil(bound);
      else reject(error.message.includes("EADDRINUSE") ? new PortInUseError(host, port, error) : error);
    });
  });

export const shutDown = (server: Server): Promise<void> =>
  new Promise((fulfil) => {
    const force = setTimeout(() => {
      server.forceShutdown();
      fulfil();
    }, graceMilliseconds);
    server.tryShutdown(() => {
      clearTimeout(force);
      fulfil();
    });
  });
