/** Another process listens on the port that was asked for. */
export class PortInUseError extends Error {
  override readonly name = "PortInUseError";
  readonly code = "PORT_IN_USE";
  readonly port: number;

  constructor(host: string, port: number, cause?: unknown) {
    super(`Port ${port} on ${host} is in use. Stop what listens there, or name another one with --port.`, { cause });
    this.port = port;
  }
}
