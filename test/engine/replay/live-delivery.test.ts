/** A replay gives way while what readers see is behind, and to nothing else. */
import { describe, expect, it, vi } from "vitest";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import { LiveDelivery } from "../../../engine/replay/live-delivery.ts";
import { deleteGenerationTable } from "../../../engine/views/generation-table.ts";
import { kinds, quick, startLiveView, startView, type ViewForReplay } from "./replay-for-test.ts";

/** Looks so often that it has seen what there is now, and whether that has arrived. */
async function isBehind(live: LiveDelivery): Promise<boolean> {
  live.isBehind();
  await live.settle();
  live.isBehind();
  await live.settle();
  return live.isBehind();
}

function watched(view: ViewForReplay, onBehind?: () => void, longestMs = 60_000): LiveDelivery {
  const { eventStore, dynamodb, catalog, name, versions } = view;
  const views = [{ name, versions }];
  return new LiveDelivery(
    { eventStore, dynamodb, catalog },
    { views, lookEveryMs: 0, longestMs, ...(onBehind === undefined ? {} : { onBehind }) },
  );
}

describe.each(kinds)("live delivery into a view of $kind", (kind) => {
  it("is behind from when most of what came in is not applied until it is", async () => {
    const view = await startLiveView(kind);
    const onBehind = vi.fn();
    const live = watched(view, onBehind);
    expect(await isBehind(live)).toBe(false);
    await view.happen(kind, 50);
    expect(await isBehind(live)).toBe(true);
    expect(await isBehind(live)).toBe(true);
    expect(onBehind).toHaveBeenCalledTimes(1);
    await view.deliverAll();
    expect(await isBehind(live)).toBe(false);
    await view.happen(kind, 50);
    expect(await isBehind(live)).toBe(true);
    expect(onBehind).toHaveBeenCalledTimes(2);
  });

  it("has the time between two looks to apply what came in", async () => {
    const view = await startLiveView(kind);
    const live = watched(view);
    expect(await isBehind(live)).toBe(false);
    const cameIn = await view.happen(kind, 50);
    live.isBehind();
    await live.settle();
    await view.deliver(cameIn);
    live.isBehind();
    await live.settle();
    expect(live.isBehind()).toBe(false);
    await live.settle();
  });

  it("is not behind for a stream that stands still while the others come on", async () => {
    const view = await startLiveView(kind);
    const cameIn = await view.happen(kind, 20);
    await view.deliver(cameIn.filter(({ stream }) => stream !== "account-0"));
    expect(await isBehind(watched(view))).toBe(false);
  });

  it("is nothing to give way to where nothing is delivered: before the first generation, while the live one is paused, and where its table is gone", async () => {
    const none = await startView(kind.projection);
    await none.happen(kind, 50);
    expect(await isBehind(watched(none))).toBe(false);

    const view = await startLiveView(kind);
    await view.happen(kind, 50);
    expect(await isBehind(watched(view))).toBe(true);
    const entry = await view.entry();
    await view.catalog.transition(
      entry,
      entry.generations.map((generation) => ({ ...generation, paused: "its code is not deployed" })),
    );
    expect(await isBehind(watched(view))).toBe(false);
    const paused = await view.entry();
    await view.catalog.transition(paused, entry.generations);
    const live = watched(view);
    expect(await isBehind(live)).toBe(true);
    await deleteGenerationTable(view.dynamodb, (await view.generation("live")).table);
    expect(await isBehind(live)).toBe(false);
  });

  it("is given way to for so long at a stretch, and no longer", async () => {
    const view = await startLiveView(kind);
    await view.happen(kind, 50);
    expect(await isBehind(watched(view, undefined, 0))).toBe(false);
    expect(await isBehind(watched(view, undefined, 60_000))).toBe(true);
  });

  it("is not behind for a few events, whatever share of the newest they are", async () => {
    const view = await startLiveView(kind, 1);
    await view.happen(kind, 5, 1);
    expect(await isBehind(watched(view))).toBe(false);
    await view.happen(kind, 5, 1);
    expect(await isBehind(watched(view))).toBe(true);
  });

  it("does not end a replay when it cannot be told, and is looked at again", async () => {
    const view = await startLiveView(kind);
    await view.happen(kind, 50);
    const live = watched(view);
    expect(await isBehind(live)).toBe(true);
    const newest = vi.spyOn(view.eventStore, "newest");
    newest.mockRejectedValueOnce(new EventStoreUnavailableError("gone"));
    live.isBehind();
    await live.settle();
    newest.mockRestore();
    expect(await isBehind(live)).toBe(true);
    await live.settle();
  });

  it("is told to who looks on at a replay that gives way", async () => {
    const view = await startLiveView(kind, 30);
    await view.happen(kind, 50);
    const givesWay = vi.fn();
    const settings = { ...quick, giveWayAfterMs: 1 };
    await view.replay({ settings }).start({ observer: { givesWay } });
    expect(givesWay).toHaveBeenCalledWith(view.name);
    await view.expectExact();
  });
});
