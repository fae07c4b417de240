/**
 * The metadata that a write to a soft-deleted stream leaves behind: the same JSON with another `$tb`, byte for byte as
 * the real server writes it again. Its JSON library takes numbers and dates apart and puts them together in its own way.
 */
import { isObject, NumberText, parseKeepingNumbers } from "./metadata-json.ts";

/** Undefined when the metadata is no JSON object. Other keys keep their order, and `$tb` its place if it had one. */
export const undeleteMetadata = (data: Uint8Array, from: bigint): Buffer | undefined => {
  let parsed: unknown;
  try {
    parsed = parseKeepingNumbers(Buffer.from(data).toString("utf8"));
  } catch {
    return undefined;
  }
  if (!isObject(parsed)) return undefined;
  return Buffer.from(written({ ...parsed, $tb: new NumberText(from.toString()) }));
};

const written = (value: unknown): string => {
  if (value instanceof NumberText) return number(value.text);
  if (typeof value === "string") return quoted(dateAgain(value) ?? value);
  if (Array.isArray(value)) return `[${value.map(written).join(",")}]`;
  if (!isObject(value)) return String(value);
  return `{${Object.entries(value)
    .map(([key, member]) => `${quoted(key)}:${written(member)}`)
    .join(",")}}`;
};

const quoted = (text: string): string =>
  JSON.stringify(text.toWellFormed()).replace(
    /[\u0085\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** Whole numbers stay as they are; others are doubles in .NET's notation: never without a decimal place or an exponent. */
const number = (text: string): string => {
  if (/^-?\d+$/.test(text)) return text === "-0" ? "0" : text;
  const double = Number(text);
  if (!Number.isFinite(double)) return double > 0 ? '"Infinity"' : '"-Infinity"';
  if (double === 0) return Object.is(double, -0) ? "-0.0" : "0.0";
  const [digits = "", power = "0"] = double.toExponential().split("e");
  const exponent = Number(power);
  if (exponent >= 15 || exponent < -4) {
    const size = Math.abs(exponent).toString().padStart(2, "0");
    return `${digits}E${exponent < 0 ? "-" : "+"}${size}`;
  }
  const plain = exponent < 0 ? double.toFixed(fractionDigits(digits) - exponent) : double.toString();
  return plain.includes(".") ? plain : `${plain}.0`;
};

const fractionDigits = (digits: string): number => digits.replace(/^-?\d\.?/, "").length;

const isoDate = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,7})?(Z|[+-]\d\d:?\d\d)?$/;

/** A text that is a date in ISO form: without the zeros at the end of its fraction, an offset turned into the server's own. */
const dateAgain = (text: string): string | undefined => {
  const parts = isoDate.exec(text);
  if (parts === null) return undefined;
  const [, year = "", month = "", day = "", hour = "", minute = "", second = "", fraction = "", zone = ""] = parts;
  const seconds = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const milliseconds = Date.parse(`${seconds}Z`);
  if (year === "0000" || !Number.isFinite(milliseconds)) return undefined;
  if (!new Date(milliseconds).toISOString().startsWith(seconds)) return undefined;
  const rest = fraction.replace(/\.?0+$/, "");
  if (zone === "" || zone === "Z") return `${seconds}${rest}${zone}`;
  const offset = (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2))) * (zone.startsWith("-") ? -60_000 : 60_000);
  return `${new Date(milliseconds - offset).toISOString().slice(0, 19)}${rest}+00:00`;
};
