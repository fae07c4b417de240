/**
 * The generated classes believe the length that a nested message says it has: one that says four billion bytes keeps them
 * busy reading nothing for minutes, and the server with them. Here such a length is refused.
 */
import protobuf from "google-protobuf";
import { FieldReader, MalformedMessage } from "./encoding.ts";

const { prototype } = protobuf.BinaryReader;
const readMessage = prototype.readMessage;

prototype.readMessage = function (message, read) {
  const start = this.getCursor();
  const buffer = this.getBuffer();
  // A varint has ten bytes at most.
  const length = new FieldReader(buffer.subarray(start, start + 10)).varint();
  if (start + length > buffer.length) throw new MalformedMessage("A message runs past the end of the one around it.");
  readMessage.call(this, message, read);
};
