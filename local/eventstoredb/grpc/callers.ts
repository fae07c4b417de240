/** The name of who makes a call, for those handlers that tell it. Known by the call's own metadata, which nobody else has. */
import type { Metadata } from "@grpc/grpc-js";

/** Who an insecure server takes everybody for. */
const system = "system";

const names = new WeakMap<Metadata, string>();

export const rememberCaller = (metadata: Metadata, name: string): void => {
  names.set(metadata, name);
};

export const callerName = (metadata: Metadata): string => names.get(metadata) ?? system;
