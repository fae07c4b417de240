/**
 * Ids as they appear in stream names, URLs and row keys: letters, digits, `.`, `_`, `~` and `-`, 1 to 64 characters,
 * starting with a letter or digit. Nothing in that alphabet needs escaping in any of the three places.
 */
export const idPattern = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/;

export const idRule = "1 to 64 characters: letters, digits, '.', '_', '~' or '-', starting with a letter or digit";

export type OrderId = string & { readonly brand: "OrderId" };
export type CustomerId = string & { readonly brand: "CustomerId" };
export type ProductId = string & { readonly brand: "ProductId" };
