/**
 * Regular expressions as .NET reads them, in the words of an engine that runs in linear time: classes such as \d and \w
 * hold all of Unicode, `$` also stands before a line feed at the end, groups capture nothing. What such an engine cannot
 * do, like look-around and back-references, is refused by name; what .NET refuses is refused, too.
 */
import { characterClass, literal, propertyOf, shorthands } from "./dotnet-regex-class.ts";
import { RegexRefusal, RegexSource } from "./dotnet-regex-source.ts";

interface Options {
  /** x: white space and comments in the expression mean nothing. */
  readonly extended: boolean;
  /** m: `^` and `$` at every line. */
  readonly multiline: boolean;
  /** s: `.` is a line feed, too. */
  readonly singleline: boolean;
}

const noOptions: Options = { extended: false, multiline: false, singleline: false };

const beyondLinearTime: readonly (readonly [start: RegExp, name: string])[] = [
  [/^\(\?[=!]/, "a look-ahead"],
  [/^\(\?<[=!]/, "a look-behind"],
  [/^\(\?>/, "an atomic group"],
  [/^\(\?\(/, "a condition"],
  [/^\(\?(<\w*-|'\w*-)/, "a balancing group"],
];

const atEnd = "(?:\\n?\\z)";

/** @throws RegexRefusal */
export const linearTimeRegex = (pattern: string): string => {
  const source = new RegexSource(pattern);
  const enclosing: Options[] = [];
  let options = noOptions;
  let out = "";
  /** What a quantifier would repeat. */
  let last = "nothing" as "nothing" | "atom" | "quantified";
  const atom = (text: string): void => {
    out += text;
    last = "atom";
  };
  const open = (text: string, inner = options): void => {
    enclosing.push(options);
    options = inner;
    out += text;
    last = "nothing";
  };
  while (!source.isAtEnd) {
    if (options.extended && source.take(/^(\s+|#[^\n]*)/) !== undefined) continue;
    const quantifier = source.take(/^([*+?]|\{\d+(,\d*)?\})\??/);
    if (quantifier !== undefined) {
      if (last === "nothing") throw new RegexRefusal(`the quantifier ${quantifier} repeats nothing`);
      if (last === "quantified") throw new RegexRefusal(`the quantifier ${quantifier} repeats another`);
      out += quantifier;
      last = "quantified";
      continue;
    }
    if (source.startsWith("(")) {
      if (source.take(/^\(\?#[^)]*\)/) !== undefined) continue;
      const refused = beyondLinearTime.find(([start]) => source.matches(start));
      if (refused !== undefined) throw new RegexRefusal(`it has ${refused[1]}`);
      const switches = source.take(/^\(\?[imnsx]*(-[imnsx]*)?[:)]/);
      if (switches === undefined) {
        if (source.take(/^(\(\?<\w+>|\(\?'\w+'|\((?!\?))/) === undefined)
          throw new RegexRefusal("it has an unknown kind of group");
        open("(?:");
        continue;
      }
      const [on = "", off = ""] = switches.slice(2, -1).split("-");
      const switched = switchedOptions(options, on, off);
      const ignoreCase = off.includes("i") ? "-i" : on.includes("i") ? "i" : "";
      if (switches.endsWith(":")) open(`(?${ignoreCase}:`, switched);
      else {
        options = switched;
        if (ignoreCase !== "") out += `(?${ignoreCase})`;
        last = "nothing";
      }
      continue;
    }
    const character = source.next();
    switch (character) {
      case ")": {
        const outer = enclosing.pop();
        if (outer === undefined) throw new RegexRefusal("it has a ) too many");
        options = outer;
        atom(")");
        break;
      }
      case "|":
        out += "|";
        last = "nothing";
        break;
      case "^":
        atom(options.multiline ? "(?m:^)" : "\\A");
        break;
      case "$":
        atom(options.multiline ? "(?m:$)" : atEnd);
        break;
      case ".":
        atom(options.singleline ? "(?s:.)" : "[^\\n]");
        break;
      case "[":
        atom(characterClass(source));
        break;
      case "\\":
        atom(escape(source));
        break;
      default:
        atom(literal(character));
    }
  }
  if (enclosing.length > 0) throw new RegexRefusal("it has a ( too many");
  return out;
};

const switchedOptions = (options: Options, on: string, off: string): Options => {
  const option = (letter: string, before: boolean): boolean =>
    off.includes(letter) ? false : on.includes(letter) || before;
  return {
    extended: option("x", options.extended),
    multiline: option("m", options.multiline),
    singleline: option("s", options.singleline),
  };
};

const escape = (source: RegexSource): string => {
  const anchor = source.take(/^[bBAzZG]/);
  switch (anchor) {
    case undefined:
      break;
    case "Z":
      return atEnd;
    case "G":
      return "\\A";
    default:
      return `\\${anchor}`;
  }
  if (source.matches(/^[1-9]/)) throw new RegexRefusal("it has a back-reference");
  if (source.matches(/^k/)) throw new RegexRefusal("it has a named back-reference");
  const shorthand = shorthands.get(source.take(/^[dDwWsS]/) ?? "");
  if (shorthand !== undefined) return `[${shorthand.negated ? "^" : ""}${shorthand.members}]`;
  const property = propertyOf(source);
  if (property !== undefined) return `[${property.negated ? "^" : ""}${property.members}]`;
  return literal(source.escapedCharacter());
};
