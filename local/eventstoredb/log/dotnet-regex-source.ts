/** The text of a .NET regular expression as it is read from its start to its end. */

/** Why an expression cannot be used; completes the sentence "It cannot be used: ...". */
export class RegexRefusal extends Error {
  override readonly name = "RegexRefusal";
}

const namedCharacters: ReadonlyMap<string, string> = new Map([
  ["a", "\u0007"],
  ["t", "\t"],
  ["r", "\r"],
  ["v", "\v"],
  ["f", "\f"],
  ["n", "\n"],
  ["e", "\u001b"],
]);

/** Each takes some milliseconds. */
const mostCountedOut = 20;

export class RegexSource {
  readonly #text: string;
  #at = 0;
  #countedOut = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  startsWith(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }

  matches(pattern: RegExp): boolean {
    return pattern.test(this.#text.slice(this.#at));
  }

  /** What matches at this place, and moves behind it; undefined, and stays, where nothing does. */
  take(pattern: RegExp): string | undefined {
    const found = pattern.exec(this.#text.slice(this.#at))?.[0];
    if (found === undefined || found === "") return undefined;
    this.#at += found.length;
    return found;
  }

  /** Called for each class that takes a while; a client must not keep the server busy with them. */
  countOut(): void {
    this.#countedOut += 1;
    if (this.#countedOut > mostCountedOut) throw new RegexRefusal("it has too many classes that leave something out");
  }

  /** One character, which may take two places. */
  next(): string {
    const code = this.#text.codePointAt(this.#at);
    if (code === undefined) throw new RegexRefusal("it ends too early");
    const character = String.fromCodePoint(code);
    this.#at += character.length;
    return character;
  }

  /** The character that stands behind a backslash, where that is neither an anchor nor a class. */
  escapedCharacter(): string {
    const octal = this.take(/^0[0-7]{0,2}/);
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
    const hexadecimal = this.take(/^(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4})/);
    if (hexadecimal !== undefined) return String.fromCharCode(Number.parseInt(hexadecimal.slice(1), 16));
    const control = this.take(/^c[@-_a-z]/);
    if (control !== undefined) return String.fromCharCode(control.charCodeAt(1) & 0x1f);
    const character = this.next();
    const named = namedCharacters.get(character);
    if (named !== undefined) return named;
    if (/[\p{L}\p{N}_]/u.test(character)) throw new RegexRefusal(`it has the unknown escape \\${character}`);
    return character;
  }
}
