/**
 * Where the passwords of `admin` and `ops` come from: options, the variables that EventStoreDB has for them, or a file.
 * They are needed when a user is made, which is at the first start; a later start leaves users as they are.
 */
import { readFileSync } from "node:fs";
import { SecurityError } from "./security-error.ts";
import type { DefaultUser, Users } from "./users.ts";

export type DefaultPasswords = Readonly<Partial<Record<DefaultUser, string>>>;

export const passwordVariables: Readonly<Record<DefaultUser, string>> = {
  admin: "EVENTSTORE_DEFAULT_ADMIN_PASSWORD",
  ops: "EVENTSTORE_DEFAULT_OPS_PASSWORD",
};

const isDefaultUser = (name: string): name is DefaultUser => Object.hasOwn(passwordVariables, name);

export const passwordsInEnvironment = (environment: NodeJS.ProcessEnv): DefaultPasswords => {
  const [admin, ops] = [environment[passwordVariables.admin], environment[passwordVariables.ops]];
  return { ...(admin === undefined ? {} : { admin }), ...(ops === undefined ? {} : { ops }) };
};

/**
 * A file with a line `admin:password` and, if that user is wanted, a line `ops:password`.
 * @throws SecurityError PASSWORD_FILE_UNUSABLE, which tells the number of a line and never its text
 */
export const readPasswordFile = (file: string): DefaultPasswords => {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new SecurityError(
      "PASSWORD_FILE_UNUSABLE",
      `${file} cannot be read. Name a file with the lines admin:password and ops:password.`,
      file,
      error,
    );
  }
  const passwords: Partial<Record<DefaultUser, string>> = {};
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === "") continue;
    const separator = line.indexOf(":");
    const name = line.slice(0, Math.max(0, separator));
    const password = line.slice(separator + 1);
    if (!isDefaultUser(name) || password === "") {
      throw new SecurityError(
        "PASSWORD_FILE_UNUSABLE",
        `${file}, line ${index + 1} is no password: write admin:password or ops:password.`,
        file,
      );
    }
    passwords[name] = password;
  }
  return passwords;
};

/**
 * Makes `admin`, and `ops` if a password is given, where they are not there yet.
 * @throws SecurityError PASSWORD_MISSING
 */
export const createDefaultUsers = async (users: Users, passwords: DefaultPasswords): Promise<void> => {
  const { admin = "", ops = "" } = passwords;
  if (!users.has("admin")) {
    if (admin === "") {
      throw new SecurityError(
        "PASSWORD_MISSING",
        `The user admin has no password yet: give it in ${passwordVariables.admin}, or in a file named by --password-file.`,
      );
    }
    await users.createDefault("admin", admin);
  }
  if (ops !== "" && !users.has("ops")) await users.createDefault("ops", ops);
};
