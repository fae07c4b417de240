/** JSON as metadata needs it read: 64-bit numbers arrive whole, as the text that stood for them. */
export class NumberText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

interface ReviverContext {
  readonly source?: string;
}

/** @throws SyntaxError */
export const parseKeepingNumbers = (text: string): unknown => {
  const reviver = (_key: string, value: unknown, context?: ReviverContext): unknown =>
    typeof value === "number" ? new NumberText(context?.source ?? String(value)) : value;
  return JSON.parse(text, reviver) as unknown;
};

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof NumberText);
