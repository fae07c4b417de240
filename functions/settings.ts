/**
 * Settings of the functions: environment variables, the same names on AWS and on one machine. Each function reads only
 * what it needs, once, and says by name what is missing or wrong; values stay out of messages, as some are secret.
 */
import * as z from "zod";

/** A variable is missing or wrong: a fault of the deployment. */
export class SettingsError extends Error {
  readonly code = "SETTINGS_INVALID";
  override readonly name = "SettingsError";
}

/** The settings could not be fetched now: trying again may succeed. */
export class SettingsUnavailableError extends Error {
  readonly code = "SETTINGS_UNAVAILABLE";
  override readonly name = "SettingsUnavailableError";
}

const region = z.string().min(1);
const prefix = z.string().regex(/^[A-Za-z0-9_.-]{1,100}$/, "must be 1 to 100 letters, digits, '_', '.' or '-'");

/** Where the event store is: given outright, or as the name of an SSM parameter (a SecureString) that holds it. */
export const eventStoreSettings = z.union(
  [
    z.object({ EVENTSTORE_CONNECTION_STRING: z.string().min(1) }),
    z.object({ EVENTSTORE_CONNECTION_STRING_PARAMETER: z.string().min(1), AWS_REGION: region }),
  ],
  "set EVENTSTORE_CONNECTION_STRING, or EVENTSTORE_CONNECTION_STRING_PARAMETER and AWS_REGION",
);

export const viewSettings = z.object({
  AWS_REGION: region,
  /** Only on one machine. */
  DYNAMODB_ENDPOINT: z.url().optional(),
  /** What every table's name begins with, its last dash included; permissions go by it. */
  TABLE_PREFIX: prefix,
});

export const functionNameSettings = z.object({
  /** What every function's name begins with, its last dash included. */
  FUNCTION_PREFIX: prefix,
});

export const invocationSettings = z.object({
  AWS_REGION: region,
  /** Only on one machine. */
  LAMBDA_ENDPOINT: z.url().optional(),
  ...functionNameSettings.shape,
});

export const logSettings = z.object({
  LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
});

/** Throws {@link SettingsError}. A variable that is set to nothing counts as absent. */
export function readSettings<Schema extends z.ZodType>(
  schema: Schema,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): z.output<Schema> {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ""),
  );
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const wrong = result.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join(".")}: ${message}`,
  );
  throw new SettingsError(`environment variables are missing or wrong: ${wrong.join("; ")}`);
}
