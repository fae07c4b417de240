/** An operator sees where each generation stands, what may be done about it, and who did what. */
import { expect, it, vi } from "vitest";
import { replayStatus, statusToJson } from "../../../engine/replay/replay-status.ts";
import { showStatus } from "../../../local/replay/show-status.ts";
import { transit } from "../../../engine/replay/transitions.ts";
import { interceptedDynamoDB, kinds, startLiveView, startView } from "./replay-for-test.ts";

const [kind] = kinds;
const who = { by: "ada at her desk" };

it("of a view that was rebuilt: the live generation, the one to go back to, and every step with who took it", async () => {
  const view = await startLiveView(kind);
  await view.replay(who).run();
  const live = await view.generation("live");
  const status = await replayStatus(view, view.name);
  expect(status.generations.map(({ role, next }) => [role, next])).toStrictEqual([
    ["soaking", "it was live before and is still written: rollback brings it back, retire removes it"],
    ["live", "readers see it"],
  ]);
  const done = status.history.filter(({ generation }) => generation === live.id);
  expect(done.map(({ transition, by }) => [transition, by])).toStrictEqual(
    ["declare", "claim", "verified", "join", "sealed", "swap"].map((transition) => [transition, who.by]),
  );
  expect(status.history.at(-1)?.epoch).toBe(status.epoch);
  expect(Date.parse(status.history.at(-1)?.at ?? "")).toBeLessThanOrEqual(Date.now());
});

it("of a view whose worker died: how far it had come, until when it has the generation, and then that nobody works on it", async () => {
  const view = await startLiveView(kind);
  await view.happen(kind, 6, 60);
  let batches = 0;
  const dynamodb = interceptedDynamoDB(({ command }, send) => {
    if (command === "BatchWriteItem") batches += 1;
    return batches > 3 ? Promise.reject(new Error("its process is gone")) : send();
  });
  const settings = { leaseMs: 60_000, eventsPerCheckpoint: 10, eventsAtOnce: 10 };
  await expect(view.replay({ ...who, dynamodb, settings }).run()).rejects.toThrow("its process is gone");
  dynamodb.destroy();
  const [, worked] = (await replayStatus(view, view.name)).generations;
  expect(worked).toMatchObject({ role: "building", next: "a worker builds it; abort ends that" });
  expect(Date.parse(worked?.leaseUntil ?? "")).toBeGreaterThan(Date.now());
  expect(worked?.checkpoint).toMatch(/^\d+\/\d+$/);
  await view.letLeasesRunOut();
  const left = async () => (await replayStatus(view, view.name)).generations[1];
  // The clocks of two workers may be apart by a second.
  await expect.poll(left).not.toHaveProperty("leaseUntil");
  expect(await left()).toMatchObject({ next: "nobody works on it: resume goes on, abort removes it" });
});

it("of a view that nobody has built: none", async () => {
  const view = await startView(kind.projection);
  expect(await replayStatus(view, view.name)).toStrictEqual({
    view: view.name,
    epoch: 0,
    generations: [],
    history: [],
  });
});

it("is shown in lines, and as JSON with positions as text", async () => {
  const view = await startLiveView(kind);
  await view.replay(who).run();
  const status = await replayStatus(view, view.name);
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  showStatus(status, ["q3"], {});
  showStatus(status, [], { json: true });
  log.mockRestore();
  expect(lines[0]).toBe(`${view.name}, epoch ${status.epoch}`);
  expect(lines.filter((line) => /^ {2}(?:live|soaking) /.test(line))).toHaveLength(2);
  expect(lines.some((line) => /swap of \S+ by ada at her desk$/.test(line))).toBe(true);
  expect(JSON.parse(lines.at(-1) ?? "")).toStrictEqual(statusToJson(status));
});

it("of a blocked generation that was put away: its table is being removed", async () => {
  const view = await startLiveView(kind);
  await view.replay().run();
  const scope = { catalog: view.catalog, view: view.name, versions: view.versions };
  const { id } = await view.generation("soaking");
  await transit(scope, id, "block", { blocked: "a write failed" });
  expect((await replayStatus(view, view.name)).generations[0]?.next).toContain("retire removes it");
  await transit(scope, id, "retire");
  expect((await replayStatus(view, view.name)).generations[0]?.next).toContain("its table is being removed");
});

it("many projectors that block one generation at once are one step of its history", async () => {
  const view = await startLiveView(kind);
  await view.replay().run();
  const scope = { catalog: view.catalog, view: view.name, versions: view.versions };
  const { id } = await view.generation("soaking");
  for (let lane = 0; lane < 60; lane += 1) await transit(scope, id, "block", { blocked: "a write failed" });
  const { history } = await replayStatus(view, view.name);
  expect(history.map(({ transition }) => transition)).toContain("swap");
});
