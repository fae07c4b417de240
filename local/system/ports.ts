/** Ports on loopback: whether they are free, and whether something answers. */
import { connect, createServer } from "node:net";

export async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** `port` itself if it is free and not in `taken`, else the next one that is. */
export async function freePortNear(port: number, taken: ReadonlySet<number>): Promise<number> {
  let candidate = port;
  while (taken.has(candidate) || !(await isFree(candidate))) candidate = candidate === 65_535 ? 1_024 : candidate + 1;
  return candidate;
}

/** Whether a connection is taken, which the operating system does also for a process that is stopped or busy. */
export async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.setTimeout(1_000);
    const answer = (accepted: boolean) => (): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once("connect", answer(true));
    socket.once("error", answer(false));
    socket.once("timeout", answer(false));
  });
}

/** Milliseconds of silence after which a server does not answer. */
const silenceMs = 2_000;

/**
 * Whether the server on the port says anything to a request. Any byte will do: an HTTP/2 server begins with its settings, and
 * what it makes of the rest is no matter.
 */
export async function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.setTimeout(silenceMs);
    const end = (answered: boolean) => (): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("connect", () => socket.write("HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"));
    socket.once("data", end(true));
    for (const event of ["error", "timeout", "end"]) socket.once(event, end(false));
  });
}

/** So many free ports; held all at once while they are chosen, so that none is given twice. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
