import { hash } from "node:crypto";

/** Namespaces of Tidemark's own; random, fixed for ever, because stored event ids and order ids were made with them. */
export const eventIdNamespace = "0b2a5f8e-6c1d-4f77-9a3e-d2c4718e5b90";
export const madeIdNamespace = "5d9e0c34-17ab-4b6f-8e52-c6f1a0937d28";

/** The name-based UUID of RFC 9562, version 5: the same name in the same namespace gives the same id everywhere. */
export function uuidV5(name: string, namespace: string): string {
  const named = Buffer.concat([Buffer.from(namespace.replaceAll("-", ""), "hex"), Buffer.from(name, "utf8")]);
  const bytes = hash("sha1", named, "buffer").subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
