/** One DynamoDB server in memory for the whole run; every test file uses tables of its own. */
import type { TestProject } from "vitest/node";
import { startDynamoDB } from "../../local/dynamodb/dynamodb-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    dynamodbEndpoint: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startDynamoDB();
  project.provide("dynamodbEndpoint", server.endpoint);
  return () => server.stop();
}
