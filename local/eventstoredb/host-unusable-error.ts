/** The address that was asked for is none of this machine's, or a name that nobody knows. */
export class HostUnusableError extends Error {
  override readonly name = "HostUnusableError";
  readonly code = "HOST_UNUSABLE";

  constructor(host: string, cause?: unknown) {
    super(`${host} is no address of this machine. Leave --host out, or name one that it has.`, { cause });
  }
}
