import { expect, it } from "vitest";
import { watch } from "../../../local/cli/watch.ts";
import { rejection } from "../eventstoredb/event-store-for-test.ts";

/** What is written of the pictures, the last of which fails. */
async function written(isTTY: boolean, pictures: readonly string[]): Promise<readonly string[]> {
  const texts: string[] = [];
  const write = (text: string | Uint8Array): boolean => texts.push(text.toString()) > 0;
  const left = [...pictures];
  const picture = (): Promise<string> => {
    const next = left.shift();
    return next === undefined ? Promise.reject(new Error("gone")) : Promise.resolve(next);
  };
  const watching = watch(picture, { separator: "--\n", stream: { isTTY, write }, pauseMs: 1 });
  expect(await rejection(watching)).toMatchObject({ message: "gone" });
  return texts;
}

it("draws one picture over the other on a terminal, without what was longer before", async () => {
  expect(await written(true, ["long\nfirst", "new"])).toStrictEqual([
    "\u001b[H\u001b[2Jlong\u001b[K\nfirst\u001b[K\n\u001b[J",
    "\u001b[Hnew\u001b[K\n\u001b[J",
  ]);
});

it("prints one below the other elsewhere, with what separates them between two", async () => {
  expect(await written(false, ["first", "new"])).toStrictEqual(["first\n", "--\nnew\n"]);
});
