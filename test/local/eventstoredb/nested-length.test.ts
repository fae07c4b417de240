import persistent from "@eventstore/db-client/generated/persistent_pb.js";
import { expect, test } from "vitest";
import "../../../local/eventstoredb/protobuf/bounded-messages.ts";

test("a nested message that claims four billion bytes is refused at once, not read for minutes", () => {
  const claim = Uint8Array.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]);
  expect(() => persistent.DeleteReq.deserializeBinary(claim)).toThrow("runs past the end");
});
