/**
 * Text that a table can hold. JSON can write half of a surrogate pair (`"\ud83d"`), so an event can hold it, but UTF-8 cannot,
 * so that no table takes it: a view would wait at such an event for ever. Each such half becomes U+FFFD, as everywhere where
 * text is made of what is none.
 */

/** `value` itself where all of its text is well-formed, else a copy that is. `value` is made of what JSON is made of. */
export function wellFormed<Value>(value: Value): Value {
  // It has the same shape as before, with other text in it.
  return isWellFormed(value) ? value : (mended(value) as Value);
}

function isWellFormed(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  for (const [name, inner] of Object.entries(value)) if (!name.isWellFormed() || !isWellFormed(inner)) return false;
  return true;
}

function mended(value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed();
  if (Array.isArray(value)) return value.map(mended);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name.toWellFormed(), mended(inner)]));
}
