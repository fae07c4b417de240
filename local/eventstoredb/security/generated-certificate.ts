/**
 * Makes a certificate for one server: an authority whose key is never written down, and under it a certificate for the
 * server's names. Clients trust the authority, which nobody can use again.
 */
import { generateKeyPair, randomBytes } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import forge from "node-forge";

interface KeyPair {
  readonly privatePem: string;
  readonly publicKey: forge.pki.rsa.PublicKey;
  readonly privateKey: forge.pki.rsa.PrivateKey;
}

/** Node makes keys in a tenth of the time that a library in JavaScript takes. */
const newKeyPair = (): Promise<KeyPair> =>
  new Promise((resolve, reject) => {
    generateKeyPair(
      "rsa",
      {
        modulusLength: 2048,
        publicKeyEncoding: { type: "spki", format: "pem" },
        privateKeyEncoding: { type: "pkcs1", format: "pem" },
      },
      (error, publicPem, privatePem) => {
        if (error !== null) reject(error);
        else {
          const publicKey = forge.pki.publicKeyFromPem(publicPem);
          resolve({ privatePem, publicKey, privateKey: forge.pki.privateKeyFromPem(privatePem) });
        }
      },
    );
  });

const validYears = 5;

/** A positive number of 16 bytes: the first bit of a serial number would be its sign. */
const serialNumber = (): string => {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x40, 0);
  return bytes.toString("hex");
};

const newCertificate = (publicKey: forge.pki.rsa.PublicKey, commonName: string): forge.pki.Certificate => {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = publicKey;
  certificate.serialNumber = serialNumber();
  // An hour back: clocks differ.
  certificate.validity.notBefore = new Date(Date.now() - 3_600_000);
  certificate.validity.notAfter = new Date();
  certificate.validity.notAfter.setFullYear(certificate.validity.notAfter.getFullYear() + validYears);
  certificate.setSubject([{ name: "commonName", value: commonName }]);
  return certificate;
};

const dnsName = 2;
const ipAddress = 7;
const altName = (name: string): object =>
  isIP(name) === 0 ? { type: dnsName, value: name } : { type: ipAddress, ip: name };

/** Writes ca.crt, node.crt and node.key into `directory`, which is replaced as a whole or left as it was. */
export const generateCertificate = async (directory: string, names: readonly string[]): Promise<void> => {
  const [authorityKeys, serverKeys] = await Promise.all([newKeyPair(), newKeyPair()]);
  const authority = newCertificate(authorityKeys.publicKey, `tidemark event store ${randomBytes(4).toString("hex")}`);
  authority.setIssuer(authority.subject.attributes);
  authority.setExtensions([
    { name: "basicConstraints", critical: true, cA: true, pathLenConstraint: 0 },
    { name: "keyUsage", critical: true, keyCertSign: true, cRLSign: true },
    { name: "subjectKeyIdentifier" },
  ]);
  authority.sign(authorityKeys.privateKey, forge.md.sha256.create());

  const server = newCertificate(serverKeys.publicKey, "tidemark event store");
  server.setIssuer(authority.subject.attributes);
  server.setExtensions([
    { name: "basicConstraints", critical: true, cA: false },
    { name: "keyUsage", critical: true, digitalSignature: true, keyEncipherment: true },
    { name: "extKeyUsage", serverAuth: true },
    { name: "subjectAltName", altNames: names.map(altName) },
    { name: "authorityKeyIdentifier", keyIdentifier: authority.generateSubjectKeyIdentifier().getBytes() },
    { name: "subjectKeyIdentifier" },
  ]);
  server.sign(authorityKeys.privateKey, forge.md.sha256.create());

  const fresh = `${directory}.new-${process.pid}`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh);
  try {
    await writeFile(join(fresh, "ca.crt"), forge.pki.certificateToPem(authority));
    await writeFile(join(fresh, "node.crt"), forge.pki.certificateToPem(server));
    await writeFile(join(fresh, "node.key"), serverKeys.privatePem, { mode: 0o600 });
    await rm(directory, { recursive: true, force: true });
    await rename(fresh, directory);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
};
