/** The services of a history without a fault, in the time that everybody has: for the contracts that they share with real servers. */
import { seededRandom } from "../local/eventstoredb/seeded-random.ts";
import { DynamoDBService, type ServiceContext } from "./dynamodb-service.ts";
import { Faults } from "./faults.ts";
import { StoreService } from "./store-service.ts";
import { Trace } from "./trace.ts";

const calm = (): ServiceContext => ({
  faults: new Faults(seededRandom(1), 0, () => undefined),
  trace: new Trace(() => 0),
});

export const calmDynamoDB = (): DynamoDBService => new DynamoDBService(calm(), { now: Date.now, lagMs: () => 0 });

export const calmStore = (): Promise<StoreService> => StoreService.start(calm(), Date.now);
