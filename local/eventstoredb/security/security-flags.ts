/** The flags of secure mode, and what they say. Passwords come from a file or from variables: a command line is seen by everybody. */
import { Option, type Command } from "commander";
import { passwordsInEnvironment, passwordVariables, readPasswordFile } from "./passwords.ts";
import type { CertificateFiles } from "./certificate.ts";
import type { SecurityOptions } from "./secure-mode.ts";
import { SecurityError } from "./security-error.ts";

export interface SecurityFlags {
  readonly secure: boolean;
  readonly passwordFile?: string;
  readonly certificateFile?: string;
  readonly certificatePrivateKeyFile?: string;
  readonly caFile?: string;
}

export const addSecurityFlags = (command: Command): Command => {
  const fileOption = (flag: string, description: string): Option =>
    new Option(`--${flag} <file>`, description).implies({ secure: true });
  return command
    .addOption(
      new Option("--secure", "encrypt, and let nobody in without a user: admin, and ops if it has a password")
        .default(false)
        .conflicts("insecure"),
    )
    .addOption(
      fileOption(
        "password-file",
        "passwords for the first secure start, as lines admin:password and ops:password; or set " +
          `${passwordVariables.admin} and ${passwordVariables.ops}`,
      ),
    )
    .addOption(fileOption("certificate-file", "your own certificate, PEM; else one is made and kept with the data"))
    .addOption(fileOption("certificate-private-key-file", "the key of --certificate-file, PEM"))
    .addOption(fileOption("ca-file", "the authority of --certificate-file, PEM, for clients that do not know it"));
};

const certificateOf = ({
  certificateFile,
  certificatePrivateKeyFile: privateKeyFile,
  caFile,
}: SecurityFlags): CertificateFiles | undefined => {
  if (certificateFile === undefined && privateKeyFile === undefined && caFile === undefined) return undefined;
  if (certificateFile === undefined || privateKeyFile === undefined) {
    throw new SecurityError(
      "CERTIFICATE_UNUSABLE",
      "A certificate of your own is --certificate-file and --certificate-private-key-file: name both, or neither.",
    );
  }
  return { certificateFile, privateKeyFile, ...(caFile === undefined ? {} : { caFile }) };
};

/** Undefined for an insecure server. @throws SecurityError */
export const securityOf = (flags: SecurityFlags, environment: NodeJS.ProcessEnv): SecurityOptions | undefined => {
  if (!flags.secure) return undefined;
  const { admin, ops } = {
    ...passwordsInEnvironment(environment),
    ...(flags.passwordFile === undefined ? {} : readPasswordFile(flags.passwordFile)),
  };
  const certificate = certificateOf(flags);
  return {
    ...(admin === undefined ? {} : { adminPassword: admin }),
    ...(ops === undefined ? {} : { opsPassword: ops }),
    ...(certificate === undefined ? {} : { certificate }),
  };
};
