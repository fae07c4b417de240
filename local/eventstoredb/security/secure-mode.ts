/** Everything that secure mode adds to a server: its certificate, its users, and who may do what. */
import { hostname } from "node:os";
import { join } from "node:path";
import type { EventLog } from "../log/event-log.ts";
import { AclOfLog } from "./acl-of-log.ts";
import { Authenticator } from "./authentication.ts";
import { loadGivenCertificate, ownCertificate, type Certificate, type CertificateFiles } from "./certificate.ts";
import { createDefaultUsers } from "./passwords.ts";
import { Users } from "./users.ts";

export interface SecurityOptions {
  /** Of the user `admin`. Needed at the first start of a data directory in secure mode; later it changes nothing. */
  readonly adminPassword?: string;
  /** Of the user `ops`, who is made only where this is given. */
  readonly opsPassword?: string;
  /** Absent: the server makes one at its first start and keeps it in the data directory. */
  readonly certificate?: CertificateFiles;
}

export interface SecureMode {
  readonly certificate: Certificate;
  readonly users: Users;
  readonly authenticator: Authenticator;
  readonly acls: AclOfLog;
}

/** What the server may be called by its clients. */
const namesFor = (host: string): readonly string[] => {
  const everyAddress = host === "0.0.0.0" || host === "::";
  return [...new Set(["localhost", "127.0.0.1", "::1", everyAddress ? hostname() : host])];
};

/**
 * Refuses what cannot be used before it makes anything: first the given certificate, then the passwords.
 * @param directory where the server's own certificate is kept
 * @throws SecurityError
 */
export const startSecureMode = async (
  options: SecurityOptions,
  log: EventLog,
  directory: string,
  host: string,
): Promise<SecureMode> => {
  const given = options.certificate === undefined ? undefined : loadGivenCertificate(options.certificate);
  const users = new Users(log);
  const { adminPassword: admin, opsPassword: ops } = options;
  await createDefaultUsers(users, { ...(admin === undefined ? {} : { admin }), ...(ops === undefined ? {} : { ops }) });
  const certificate = given ?? (await ownCertificate(join(directory, "tls"), namesFor(host)));
  return { certificate, users, authenticator: new Authenticator(log, users), acls: new AclOfLog(log) };
};
