import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Makes a directory that can be written, with those above it. One by one: Node's own recursive `mkdir` never returns where
 * a file system answers that the parent is not there although it is, as `/proc` does. Throws the system's error.
 */
export function makeDataDirectory(directory: string): void {
  const missing: string[] = [];
  let at = resolve(directory);
  for (; !existsSync(at); at = dirname(at)) missing.unshift(at);
  // A file in its place is told by the name of what was asked for.
  accessSync(`${at}/.`, constants.W_OK);
  for (const path of missing) {
    try {
      mkdirSync(path);
    } catch (error) {
      if (!existsSync(path)) throw error;
    }
  }
}
