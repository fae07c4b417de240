/**
 * Condition and update expressions, as much of their grammar as the engine writes: top-level attributes; comparisons,
 * `attribute_exists`, `attribute_not_exists`, `begins_with`, AND, OR, NOT, parentheses; SET with `if_not_exists` and sums, ADD,
 * REMOVE. What is beyond that is refused and never passed over.
 */
import {
  compare,
  invalid,
  isEqual,
  type Item,
  numberOf,
  numberValue,
  storable,
  type Value,
} from "./dynamodb-values.ts";

export interface Placeholders {
  readonly names: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, Value>>;
}

const tokenPattern = /\s*(<>|<=|>=|[#:]?[A-Za-z_][A-Za-z0-9_]*|[(),=<>+-])/y;

/** Reads an expression from left to right, and notes which placeholders it has met. */
class Reader {
  readonly #tokens: readonly string[];
  readonly #placeholders: Placeholders;
  readonly #used: Set<string>;
  #next = 0;

  constructor(text: string, placeholders: Placeholders, used: Set<string>) {
    this.#tokens = tokensOf(text);
    this.#placeholders = placeholders;
    this.#used = used;
  }

  get isAtEnd(): boolean {
    return this.#next >= this.#tokens.length;
  }

  /** Whether the next token is this word, in whatever case; then it is taken. */
  takes(word: string): boolean {
    if (this.#tokens[this.#next]?.toUpperCase() !== word.toUpperCase()) return false;
    this.#next += 1;
    return true;
  }

  expect(word: string): void {
    if (!this.takes(word))
      throw invalid(`Invalid expression: Syntax error; token: ${this.#tokens[this.#next] ?? "<EOF>"}`);
  }

  token(): string {
    const token = this.#tokens[this.#next];
    if (token === undefined) throw invalid("Invalid expression: Syntax error; token: <EOF>");
    this.#next += 1;
    return token;
  }

  /** The name of an attribute. */
  path(): string {
    const token = this.token();
    if (!token.startsWith("#")) return token;
    this.#used.add(token);
    const name = this.#placeholders.names[token];
    if (name === undefined) throw invalid(`An expression attribute name is not defined; attribute name: ${token}`);
    return name;
  }

  /** What an operand is worth in an item. */
  operand(): (item: Item) => Value | undefined {
    if (this.takes("if_not_exists")) {
      this.expect("(");
      const path = this.path();
      this.expect(",");
      const otherwise = this.operand();
      this.expect(")");
      return (item) => item[path] ?? otherwise(item);
    }
    if (this.#tokens[this.#next]?.startsWith(":") === true) {
      const token = this.token();
      this.#used.add(token);
      const value = this.#placeholders.values[token];
      if (value === undefined) throw invalid(`An expression attribute value is not defined; attribute value: ${token}`);
      return () => value;
    }
    const path = this.path();
    return (item) => item[path];
  }
}

const tokensOf = remembered((text: string): readonly string[] => {
  const tokens: string[] = [];
  const pattern = new RegExp(tokenPattern);
  const trimmed = text.trimEnd();
  while (pattern.lastIndex < trimmed.length) {
    const at = pattern.lastIndex;
    const token = pattern.exec(trimmed)?.[1];
    if (token === undefined) throw invalid(`Invalid expression: Syntax error; near: ${trimmed.slice(at, at + 20)}`);
    tokens.push(token);
  }
  return tokens;
});

/** The engine writes few different expressions, many times. */
function remembered<Result>(compute: (text: string) => Result): (text: string) => Result {
  const known = new Map<string, Result>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const result = compute(text);
    known.set(text, result);
    return result;
  };
}

type Condition = (item: Item) => boolean;

const comparisons: Readonly<Record<string, (order: number) => boolean>> = {
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
};

function anyOf(reader: Reader): Condition {
  const parts = [allOf(reader)];
  while (reader.takes("OR")) parts.push(allOf(reader));
  return (item) => parts.some((part) => part(item));
}

function allOf(reader: Reader): Condition {
  const parts = [single(reader)];
  while (reader.takes("AND")) parts.push(single(reader));
  return (item) => parts.every((part) => part(item));
}

function single(reader: Reader): Condition {
  if (reader.takes("NOT")) {
    const negated = single(reader);
    return (item) => !negated(item);
  }
  if (reader.takes("(")) {
    const inner = anyOf(reader);
    reader.expect(")");
    return inner;
  }
  if (reader.takes("attribute_exists")) {
    const path = inParentheses(reader);
    return (item) => item[path] !== undefined;
  }
  if (reader.takes("attribute_not_exists")) {
    const path = inParentheses(reader);
    return (item) => item[path] === undefined;
  }
  if (reader.takes("begins_with")) {
    reader.expect("(");
    const path = reader.path();
    reader.expect(",");
    const prefix = reader.operand();
    reader.expect(")");
    return (item) => {
      const [whole, start] = [item[path], prefix(item)];
      return whole !== undefined && start !== undefined && "S" in whole && "S" in start && whole.S.startsWith(start.S);
    };
  }
  const left = reader.operand();
  const operator = reader.token();
  const right = reader.operand();
  return (item) => holds(operator, left(item), right(item));
}

function inParentheses(reader: Reader): string {
  reader.expect("(");
  const path = reader.path();
  reader.expect(")");
  return path;
}

function holds(operator: string, left: Value | undefined, right: Value | undefined): boolean {
  if (left === undefined || right === undefined) return operator === "<>";
  if (operator === "=") return isEqual(left, right);
  if (operator === "<>") return !isEqual(left, right);
  const judge = comparisons[operator];
  if (judge === undefined) throw invalid(`Invalid expression: Syntax error; token: ${operator}`);
  const order = compare(left, right);
  return order !== undefined && judge(order);
}

function conditionOf(text: string, placeholders: Placeholders, used: Set<string>): Condition {
  const reader = new Reader(text, placeholders, used);
  const condition = anyOf(reader);
  if (!reader.isAtEnd) throw invalid(`Invalid expression: Syntax error; token: ${reader.token()}`);
  return condition;
}

type Update = (item: Item) => Item;

function updateOf(text: string, placeholders: Placeholders, used: Set<string>): Update {
  const reader = new Reader(text, placeholders, used);
  const steps: ((before: Item, after: Record<string, Value>) => void)[] = [];
  const paths = new Set<string>();
  const newPath = (): string => {
    const path = reader.path();
    if (paths.has(path)) throw invalid("Invalid UpdateExpression: Two document paths overlap with each other");
    paths.add(path);
    return path;
  };
  const list = (element: () => void): void => {
    do element();
    while (reader.takes(","));
  };
  while (!reader.isAtEnd) {
    const clause = reader.token().toUpperCase();
    if (clause === "SET") list(() => steps.push(assignment(reader, newPath())));
    else if (clause === "ADD") list(() => steps.push(addition(newPath(), reader.operand())));
    else if (clause === "REMOVE") {
      list(() => {
        const path = newPath();
        steps.push((_, after) => Reflect.deleteProperty(after, path));
      });
    } else throw invalid(`Invalid UpdateExpression: Syntax error; token: ${clause}`);
  }
  return (item) => {
    const after = { ...item };
    for (const step of steps) step(item, after);
    return after;
  };
}

function assignment(reader: Reader, path: string): (before: Item, after: Record<string, Value>) => void {
  reader.expect("=");
  const first = reader.operand();
  const second = reader.takes("+") ? reader.operand() : undefined;
  return (before, after) => {
    const value = first(before);
    if (value === undefined)
      throw invalid("The provided expression refers to an attribute that does not exist in the item");
    after[path] = second === undefined ? storable(value) : sum(value, second(before));
  };
}

function addition(
  path: string,
  amount: (item: Item) => Value | undefined,
): (before: Item, after: Record<string, Value>) => void {
  return (before, after) => {
    after[path] = sum(before[path] ?? { N: "0" }, amount(before));
  };
}

function sum(left: Value, right: Value | undefined): Value {
  const [one, other] = [numberOf(left), numberOf(right)];
  if (one === undefined || other === undefined) {
    throw invalid("An operand in the update expression has an incorrect data type");
  }
  return numberValue(one + other);
}

/** The expressions of one request: all that it gives placeholders for must be used in them. */
export class Expressions {
  readonly condition: Condition;
  readonly keyCondition: Condition;
  readonly update: Update;

  constructor(
    texts: {
      readonly ConditionExpression?: string | undefined;
      readonly FilterExpression?: string | undefined;
      readonly KeyConditionExpression?: string | undefined;
      readonly UpdateExpression?: string | undefined;
    },
    placeholders: Placeholders,
  ) {
    const used = new Set<string>();
    const { ConditionExpression, FilterExpression, KeyConditionExpression, UpdateExpression } = texts;
    const condition = ConditionExpression ?? FilterExpression;
    this.condition = condition === undefined ? () => true : conditionOf(condition, placeholders, used);
    this.keyCondition =
      KeyConditionExpression === undefined ? () => true : conditionOf(KeyConditionExpression, placeholders, used);
    this.update = UpdateExpression === undefined ? (item) => item : updateOf(UpdateExpression, placeholders, used);
    for (const given of [...Object.keys(placeholders.names), ...Object.keys(placeholders.values)]) {
      if (!used.has(given)) {
        throw invalid(`Value provided in the expression attributes unused in expressions: keys: {${given}}`);
      }
    }
  }
}
