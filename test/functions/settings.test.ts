import { describe, expect, it } from "vitest";
import {
  eventStoreSettings,
  invocationSettings,
  logSettings,
  readSettings,
  SettingsError,
  viewSettings,
} from "../../functions/settings.ts";

describe("settings", () => {
  it("name the event store outright or by a parameter", () => {
    const outright = { EVENTSTORE_CONNECTION_STRING: "esdb://127.0.0.1:2113?tls=false" };
    expect(readSettings(eventStoreSettings, { ...outright, OTHER: "x" })).toStrictEqual(outright);
    const parameter = { EVENTSTORE_CONNECTION_STRING_PARAMETER: "/tidemark/event-store", AWS_REGION: "eu-central-1" };
    expect(readSettings(eventStoreSettings, { ...parameter, EVENTSTORE_CONNECTION_STRING: "" })).toStrictEqual(
      parameter,
    );
  });

  it("have local endpoints only where they are set", () => {
    const needed = { AWS_REGION: "eu-central-1", TABLE_PREFIX: "tidemark-" };
    expect(readSettings(viewSettings, { ...needed, DYNAMODB_ENDPOINT: "" })).toStrictEqual(needed);
    expect(readSettings(logSettings, {})).toStrictEqual({ LOG_LEVEL: "info" });
  });

  it.each([
    [
      eventStoreSettings,
      {},
      "set EVENTSTORE_CONNECTION_STRING, or EVENTSTORE_CONNECTION_STRING_PARAMETER and AWS_REGION",
    ],
    [viewSettings, { AWS_REGION: "x", TABLE_PREFIX: "secret value" }, "TABLE_PREFIX: "],
    [invocationSettings, { AWS_REGION: "x", FUNCTION_PREFIX: "p", LAMBDA_ENDPOINT: "secret" }, "LAMBDA_ENDPOINT: "],
    [logSettings, { LOG_LEVEL: "secret" }, "LOG_LEVEL: "],
  ])("that are missing or wrong are named, without their values", (schema, environment, says) => {
    const reading = (): unknown => readSettings(schema, environment);
    expect(reading).toThrow(SettingsError);
    expect(reading).toThrow(says);
    expect(reading).not.toThrow("secret");
  });
});
