import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { type Item, marshallValue } from "./item.ts";
import type { RowWrite } from "./row-write.ts";

export interface UpdateExpression {
  readonly UpdateExpression: string;
  readonly ExpressionAttributeNames: Record<string, string>;
  readonly ExpressionAttributeValues: Record<string, AttributeValue>;
}

/**
 * A row write as DynamoDB's update of an item that may or may not exist, plus attributes of the engine to set. Every name
 * goes through a placeholder, so that reserved words are no case of their own. Not for writes that replace the row.
 */
export function updateExpression(write: RowWrite, engineAttributes: Item): UpdateExpression {
  const names: Record<string, string> = {};
  const values: Record<string, AttributeValue> = {};
  let named = 0;
  let valued = 0;
  const name = (attribute: string): string => {
    const placeholder = `#a${named++}`;
    names[placeholder] = attribute;
    return placeholder;
  };
  const value = (attribute: AttributeValue): string => {
    const placeholder = `:v${valued++}`;
    values[placeholder] = attribute;
    return placeholder;
  };
  const sets = [
    ...[...write.set].map(([attribute, row]) => `${name(attribute)} = ${value(marshallValue(row))}`),
    ...Object.entries(engineAttributes).map(([attribute, engine]) => `${name(attribute)} = ${value(engine)}`),
  ];
  const adds = [...write.add].map(([attribute, amount]) => `${name(attribute)} ${value({ N: amount.toString() })}`);
  const removes = [...write.remove].map(name);
  const clauses = [
    ...(sets.length > 0 ? [`SET ${sets.join(", ")}`] : []),
    ...(adds.length > 0 ? [`ADD ${adds.join(", ")}`] : []),
    ...(removes.length > 0 ? [`REMOVE ${removes.join(", ")}`] : []),
  ];
  return {
    UpdateExpression: clauses.join(" "),
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: values,
  };
}
