/** Who makes a call. */
export type Principal =
  { readonly kind: "anonymous" } | { readonly kind: "user"; readonly name: string; readonly groups: readonly string[] };

export const anonymous: Principal = { kind: "anonymous" };

/** Roles that mean something to the server; any other is a name that access lists may use. */
export const roles = { all: "$all", admins: "$admins", operations: "$ops" } as const;

const isNamedOrIn = (principal: Principal, name: string, role: string): boolean =>
  principal.kind === "user" && (principal.name === name || principal.groups.includes(role));

export const isAdmin = (principal: Principal): boolean => isNamedOrIn(principal, "admin", roles.admins);
export const isOperator = (principal: Principal): boolean => isNamedOrIn(principal, "ops", roles.operations);
