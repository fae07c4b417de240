/** The picture of a generation's life in `docs/replay.md` is the transitions that the code allows, no more and no fewer. */
import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { transitions } from "../../engine/replay/transitions.ts";

it("docs/replay.md draws exactly the transitions that change a role", async () => {
  const page = await readFile(new URL("../../docs/replay.md", import.meta.url), "utf8");
  const drawn = [...page.matchAll(/^ {2}(\S+) --> (\S+): (.+)$/gm)].flatMap(([, from = "", to = "", names = ""]) =>
    names.split(", ").map((name) => `${name}: ${from} -> ${to}`),
  );
  const allowed = Object.entries(transitions).flatMap(([name, { from, to, liveBecomes, soakingBecomes }]) => [
    ...(to === "unchanged" ? [] : from.map((role) => `${name}: ${role} -> ${to === "gone" ? "[*]" : to}`)),
    ...(liveBecomes === undefined ? [] : [`${name}: live -> ${liveBecomes}`]),
    ...(soakingBecomes === undefined ? [] : [`${name}: soaking -> ${soakingBecomes}`]),
  ]);
  expect(drawn.sort()).toStrictEqual([...allowed, "declare: [*] -> building"].sort());
});
