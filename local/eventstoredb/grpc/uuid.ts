/** UUIDs as the protocol carries them: as text, or as two 64-bit halves. */
import shared from "@eventstore/db-client/generated/shared_pb.js";

const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const bare = /^[0-9a-f]{32}$/i;
const nil = "00000000-0000-0000-0000-000000000000";

const hyphenate = (hex: string): string =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;

const half = (value: string): string => BigInt.asUintN(64, BigInt(value)).toString(16).padStart(16, "0");

/** In lower case with hyphens; undefined for what is no UUID. */
export const parseUuid = (uuid: shared.UUID | undefined): string | undefined => {
  if (uuid === undefined) return undefined;
  const structured = uuid.getStructured();
  if (structured !== undefined) {
    return hyphenate(half(structured.getMostSignificantBits()) + half(structured.getLeastSignificantBits()));
  }
  return normalizeUuid(uuid.getString());
};

export const normalizeUuid = (text: string): string | undefined => {
  if (pattern.test(text)) return text.toLowerCase();
  return bare.test(text) ? hyphenate(text.toLowerCase()) : undefined;
};

export const isNilUuid = (id: string): boolean => id === nil;

export const structuredUuid = (id: string): shared.UUID => {
  const hex = id.replaceAll("-", "");
  const structured = new shared.UUID.Structured();
  structured.setMostSignificantBits(BigInt.asIntN(64, BigInt(`0x${hex.slice(0, 16)}`)).toString());
  structured.setLeastSignificantBits(BigInt.asIntN(64, BigInt(`0x${hex.slice(16)}`)).toString());
  const uuid = new shared.UUID();
  uuid.setStructured(structured);
  return uuid;
};
