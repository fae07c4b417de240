/** A gRPC server: how it is made, and where clients reach it. */
import { Server, type ServerInterceptor } from "@grpc/grpc-js";
import { maximumMessageSize } from "./limits.ts";
import "./protobuf/bounded-messages.ts";
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
