/** The event store of a function instance: one connection, made at the first request and kept for those that follow. */
import { EventStore } from "../engine/event-store/event-store.ts";
import { eventStoreSettings, readSettings, SettingsError, SettingsUnavailableError } from "./settings.ts";

let connection: Promise<EventStore> | undefined;

/**
 * Throws {@link SettingsError} or {@link SettingsUnavailableError}. That the store itself is down shows in its calls, and
 * the connection survives that: its client opens a new channel after one has failed.
 */
export async function eventStore(): Promise<EventStore> {
  connection ??= connect();
  try {
    return await connection;
  } catch (error) {
    connection = undefined;
    throw error;
  }
}

/** A secret: user and password may stand in it. Throws {@link SettingsError} or {@link SettingsUnavailableError}. */
export async function eventStoreConnectionString(): Promise<string> {
  const settings = readSettings(eventStoreSettings);
  return "EVENTSTORE_CONNECTION_STRING" in settings
    ? settings.EVENTSTORE_CONNECTION_STRING
    : secureParameter(settings.EVENTSTORE_CONNECTION_STRING_PARAMETER, settings.AWS_REGION);
}

async function connect(): Promise<EventStore> {
  return connectTo(await eventStoreConnectionString());
}

/** Throws {@link SettingsError} where that is no connection string. */
export function connectTo(connectionString: string): EventStore {
  try {
    return EventStore.connect(connectionString);
  } catch {
    // Without the cause: the client quotes the string, password included.
    throw new SettingsError(
      "the event store's connection string is malformed: use esdb://host:port?tls=true or the like",
    );
  }
}

/** Imported only when needed: functions that are given the string outright load no AWS client. */
async function secureParameter(name: string, region: string): Promise<string> {
  const { GetParameterCommand, SSMClient } = await import("@aws-sdk/client-ssm");
  const ssm = new SSMClient({ region });
  try {
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name: name, WithDecryption: true }));
    if (Parameter?.Value === undefined) throw new SettingsError(`SSM parameter ${name} holds no value`);
    return Parameter.Value;
  } catch (cause) {
    if (cause instanceof SettingsError) throw cause;
    throw new SettingsUnavailableError(`SSM parameter ${name} cannot be read: check name and permission`, { cause });
  } finally {
    ssm.destroy();
  }
}
