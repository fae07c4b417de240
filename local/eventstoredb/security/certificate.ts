/**
 * The certificate that the server shows: the user's, or one of its own that is made at the first start and used from then
 * on. What cannot be used is refused before anything listens, with the name of the file.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { SecurityError } from "./security-error.ts";

export interface CertificateFiles {
  /** PEM: the server's certificate, followed by those that lead to its authority. */
  readonly certificateFile: string;
  /** PEM, without a passphrase. */
  readonly privateKeyFile: string;
  /** PEM of the authority, for clients that do not know it. Absent for one that every machine knows. */
  readonly caFile?: string;
}

export interface Certificate {
  readonly chain: Buffer;
  readonly privateKey: Buffer;
  /** What clients need to trust the server; undefined where they do anyway. */
  readonly caFile: string | undefined;
}

const refused = (file: string, what: string, todo: string, cause?: unknown): SecurityError =>
  new SecurityError("CERTIFICATE_UNUSABLE", `${file} ${what}. ${todo}`, file, cause);

const contentsOf = (file: string, todo: string): Buffer => {
  try {
    return readFileSync(file);
  } catch (error) {
    throw refused(file, "cannot be read", todo, error);
  }
};

const parsed = <Parsed>(file: string, what: string, todo: string, parse: () => Parsed): Parsed => {
  try {
    return parse();
  } catch (error) {
    throw refused(file, what, todo, error);
  }
};

/** @throws SecurityError CERTIFICATE_UNUSABLE */
export const loadCertificate = (files: CertificateFiles, todo: string): Certificate => {
  const { certificateFile, privateKeyFile } = files;
  const chain = contentsOf(certificateFile, todo);
  const privateKey = contentsOf(privateKeyFile, todo);
  const certificate = parsed(certificateFile, "is no certificate in PEM form", todo, () => new X509Certificate(chain));
  const key = parsed(privateKeyFile, "is no private key in PEM form, or has a passphrase", todo, (): KeyObject =>
    createPrivateKey(privateKey),
  );
  if (!certificate.checkPrivateKey(key)) {
    throw refused(privateKeyFile, `is not the key of ${certificateFile}`, todo);
  }
  const now = Date.now();
  if (Date.parse(certificate.validTo) <= now) {
    throw refused(certificateFile, `expired on ${certificate.validTo}`, todo);
  }
  if (Date.parse(certificate.validFrom) > now) {
    throw refused(certificateFile, `is valid only from ${certificate.validFrom}`, todo);
  }
  const { caFile } = files;
  if (caFile !== undefined) {
    const authority = contentsOf(caFile, todo);
    parsed(caFile, "is no certificate in PEM form", todo, () => new X509Certificate(authority));
  }
  const isItsOwnAuthority = certificate.issuer === certificate.subject;
  const trusted = caFile ?? (isItsOwnAuthority ? certificateFile : undefined);
  return { chain, privateKey, caFile: trusted === undefined ? undefined : resolve(trusted) };
};

const yourFiles = "Name a certificate that is valid, and its key.";
const ourFiles = (directory: string): string =>
  `Remove the directory ${directory}: a new certificate is made at the next start, and clients need its ca.crt.`;

export const loadGivenCertificate = (files: CertificateFiles): Certificate => loadCertificate(files, yourFiles);

const isOutdated = (file: string, names: readonly string[]): boolean => {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(readFileSync(file));
  } catch {
    // Damage is for loadCertificate to tell: nothing that somebody may have put there is replaced.
    return false;
  }
  if (Date.parse(certificate.validTo) <= Date.now()) return true;
  return !names.every(
    (name) => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined,
  );
};

/**
 * The certificate in `directory`, made there if there is none, or none for these names, or if it has expired.
 * @throws SecurityError CERTIFICATE_UNUSABLE where a file has been damaged
 */
export const ownCertificate = async (directory: string, names: readonly string[]): Promise<Certificate> => {
  const certificateFile = join(directory, "node.crt");
  if (!existsSync(directory) || isOutdated(certificateFile, names)) {
    // Loaded only where it is needed: a start with a certificate does without.
    const { generateCertificate } = await import("./generated-certificate.ts");
    await generateCertificate(directory, names);
  }
  const files = { certificateFile, privateKeyFile: join(directory, "node.key"), caFile: join(directory, "ca.crt") };
  return loadCertificate(files, ourFiles(directory));
};
