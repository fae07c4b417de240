/**
 * Character classes of .NET's regular expressions. They may hold what is not a word and leave out another class, which
 * the linear-time engine has no words for: such a class is counted out, character by character.
 */
import { RegexRefusal, type RegexSource } from "./dotnet-regex-source.ts";

/** A set of characters: what it is called within a class, and which of them it has. */
interface Members {
  readonly members: string;
  readonly negated: boolean;
  readonly has: (character: string) => boolean;
}

const named = (members: string, negated: boolean): Members => {
  const pattern = new RegExp(`[${members.replace("\\x{85}", "\\x85")}]`, "u");
  return { members, negated, has: (character) => pattern.test(character) !== negated };
};

const digits = "\\p{Nd}";
const words = "\\p{L}\\p{Mn}\\p{Nd}\\p{Pc}";
const spaces = "\\f\\n\\r\\t\\v\\x{85}\\p{Z}";

export const shorthands: ReadonlyMap<string, Members> = new Map([
  ["d", named(digits, false)],
  ["D", named(digits, true)],
  ["w", named(words, false)],
  ["W", named(words, true)],
  ["s", named(spaces, false)],
  ["S", named(spaces, true)],
]);

const categories = new Set(
  "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Cs Co".split(" "),
);

/** `\p{..}` or `\P{..}`, of which the backslash has been read. */
export const propertyOf = (source: RegexSource): Members | undefined => {
  if (!source.matches(/^[pP]/)) return undefined;
  const property = source.take(/^[pP]\{[\w-]+\}/);
  const name = property?.slice(2, -1) ?? "";
  if (name.startsWith("Is") || name === "Cn") throw new RegexRefusal(`it has the Unicode block or category ${name}`);
  if (!categories.has(name)) throw new RegexRefusal(`it has the unknown property \\p{${name}}`);
  return named(`\\p{${name}}`, property?.startsWith("P") === true);
};

export const literal = (character: string): string =>
  /^[A-Za-z0-9]$/.test(character) ? character : `\\x{${(character.codePointAt(0) ?? 0).toString(16)}}`;

/** The members of a class whose opening bracket has been read. */
class ClassReader {
  readonly #source: RegexSource;
  readonly #sets: Members[] = [];
  #negated = false;
  #subtracted: ClassReader | undefined;

  constructor(source: RegexSource) {
    this.#source = source;
  }

  read(): this {
    const source = this.#source;
    this.#negated = source.take(/^\^/) !== undefined;
    for (let isFirst = true; isFirst || source.take(/^\]/) === undefined; isFirst = false) {
      if (source.isAtEnd) throw new RegexRefusal("it has a [ too many");
      if (source.startsWith("[:")) throw new RegexRefusal("it has a POSIX character class");
      if (!isFirst && source.take(/^-\[/) !== undefined) {
        source.countOut();
        this.#subtracted = new ClassReader(source).read();
        if (!source.startsWith("]")) throw new RegexRefusal("what a class leaves out does not stand at its end");
        continue;
      }
      this.#sets.push(this.#set());
    }
    return this;
  }

  #set(): Members {
    const source = this.#source;
    const from = this.#character();
    if (typeof from !== "string") return from;
    if (!source.matches(/^-[^\]]/) || source.startsWith("-[")) return range(from, from);
    source.next();
    const to = this.#character();
    if (typeof to !== "string") throw new RegexRefusal("a range of characters ends with a class");
    if (order(from) > order(to)) throw new RegexRefusal(`the range ${from}-${to} is in reverse order`);
    return range(from, to);
  }

  #character(): string | Members {
    const character = this.#source.next();
    if (character !== "\\") return character;
    if (this.#source.take(/^b/) !== undefined) return "\b";
    const shorthand = shorthands.get(this.#source.take(/^[dDwWsS]/) ?? "");
    return shorthand ?? propertyOf(this.#source) ?? this.#source.escapedCharacter();
  }

  written(): string {
    if (this.#subtracted !== undefined || this.#sets.some(({ negated }) => negated)) {
      this.#source.countOut();
      return countedOut(this);
    }
    return `[${this.#negated ? "^" : ""}${this.#sets.map(({ members }) => members).join("")}]`;
  }

  has(character: string): boolean {
    if (this.#sets.some((set) => set.has(character)) === this.#negated) return false;
    return this.#subtracted?.has(character) !== true;
  }
}

const order = (character: string): number => character.codePointAt(0) ?? 0;

const range = (from: string, to: string): Members => ({
  members: from === to ? literal(from) : `${literal(from)}-${literal(to)}`,
  negated: false,
  has: (character) => order(character) >= order(from) && order(character) <= order(to),
});

const firstSurrogate = 0xd800;
const lastSurrogate = 0xdfff;

/** .NET sees a character beyond the first 65,536 as two halves, which are all alike. */
const countedOut = (members: ClassReader): string => {
  let ranges = "";
  let start: number | undefined;
  for (let code = 0; code <= 0x10000; code += 1) {
    const isSurrogate = code >= firstSurrogate && code <= lastSurrogate;
    const isIn = code < 0x10000 && !isSurrogate && members.has(String.fromCharCode(code));
    if (isIn) start ??= code;
    else if (start !== undefined) {
      ranges += `\\x{${start.toString(16)}}-\\x{${(code - 1).toString(16)}}`;
      start = undefined;
    }
  }
  if (members.has(String.fromCharCode(firstSurrogate))) ranges += "\\x{10000}-\\x{10ffff}";
  return ranges === "" ? "[^\\x{0}-\\x{10ffff}]" : `[${ranges}]`;
};

/** @throws RegexRefusal */
export const characterClass = (source: RegexSource): string => new ClassReader(source).read().written();
