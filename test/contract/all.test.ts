/** `$all`: order, ends, positions, filters. */
import {
  BACKWARDS,
  binaryEvent,
  END,
  START,
  streamNameFilter,
  eventTypeFilter,
  excludeSystemEvents,
  UnknownError,
} from "@eventstore/db-client";
import { describe, expect, test } from "vitest";
import {
  collect,
  event,
  events,
  eventOf,
  follow,
  newStream,
  rejection,
} from "../local/eventstoredb/event-store-for-test.ts";
import { typesIn } from "./filtered.ts";
import { useServerUnderTest } from "./server-under-test.ts";

const store = useServerUnderTest();

describe("reading", () => {
  test("a batch is contiguous, and streams are interleaved in the order of their appends", async () => {
    const [one, other] = [newStream(), newStream()];
    await store.client.appendToStream(one, events(2));
    await store.client.appendToStream(other, events(2));
    await store.client.appendToStream(one, event());
    const all = (await collect(store.client.readAll()))
      .map(eventOf)
      .filter(({ streamId }) => [one, other].includes(streamId));
    expect(all.map(({ streamId, revision }) => [streamId, revision])).toEqual([
      [one, 0n],
      [one, 1n],
      [other, 0n],
      [other, 1n],
      [one, 2n],
    ]);
    const positions = all.map(({ position }) => position?.commit ?? -1n);
    expect([...positions].sort((a, b) => Number(a - b))).toEqual(positions);
  });

  test("forwards from a position includes it, backwards excludes it", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, events(3));
    const [, middle] = (await collect(store.client.readStream(stream))).map(eventOf);
    const position = middle?.position ?? { commit: -1n, prepare: -1n };
    const forwards = (await collect(store.client.readAll({ fromPosition: position, maxCount: 2 }))).map(eventOf);
    expect(forwards.map(({ revision }) => revision)).toEqual([1n, 2n]);
    const backwards = (
      await collect(store.client.readAll({ fromPosition: position, direction: BACKWARDS, maxCount: 1 }))
    ).map(eventOf);
    expect(backwards.map(({ revision }) => revision)).toEqual([0n]);
  });

  test("forwards from the end and backwards from the start are empty", async () => {
    expect(await collect(store.client.readAll({ fromPosition: END }))).toEqual([]);
    expect(await collect(store.client.readAll({ fromPosition: START, direction: BACKWARDS }))).toEqual([]);
  });

  test("backwards from the end is the reverse of forwards", async () => {
    const forwards = (await collect(store.client.readAll())).map((resolved) => resolved.commitPosition);
    const backwards = (await collect(store.client.readAll({ direction: BACKWARDS, fromPosition: END }))).map(
      (resolved) => resolved.commitPosition,
    );
    expect(backwards).toEqual(forwards.reverse());
  });

  test("a position at which no record starts is refused, forwards, backwards and to subscribers", async () => {
    const stream = newStream();
    const { position } = await store.client.appendToStream(stream, event());
    await store.client.appendToStream(stream, event());
    const between = { commit: (position?.commit ?? 0n) + 1n, prepare: (position?.commit ?? 0n) + 1n };
    for (const direction of ["forwards", "backwards"] as const) {
      const error = await rejection(collect(store.client.readAll({ fromPosition: between, direction })));
      expect(error).toBeInstanceOf(UnknownError);
      expect(String(error)).toContain("Trying to read from an invalid position.");
    }
    const subscribed = await new Promise((resolve) => {
      store.client
        .subscribeToAll({ fromPosition: between })
        .on("error", resolve)
        .on("data", () => undefined);
    });
    expect(String(subscribed)).toContain("Trying to read from an invalid position.");
  });

  test("a position beyond the end is an empty read", async () => {
    expect(await collect(store.client.readAll({ fromPosition: { commit: 1n << 50n, prepare: 1n << 50n } }))).toEqual(
      [],
    );
  });

  test("backwards from beyond the end is an error", async () => {
    const beyond = { commit: 1n << 50n, prepare: 1n << 50n };
    const error = await rejection(collect(store.client.readAll({ fromPosition: beyond, direction: BACKWARDS })));
    expect(error).toBeInstanceOf(UnknownError);
    expect(String(error)).toContain("Unexpected ReadAllResult: Error");
  });

  test("a position whose prepare part is later is none", async () => {
    const { position = { commit: 0n, prepare: 0n } } = await store.client.appendToStream(newStream(), event());
    const impossible = { commit: position.commit, prepare: position.prepare + 1n };
    for (const direction of ["forwards", "backwards"] as const) {
      const error = await rejection(collect(store.client.readAll({ fromPosition: impossible, direction })));
      expect(error).toBeInstanceOf(UnknownError);
      expect(String(error)).toContain("Exception was thrown by handler.");
    }
  });

  test("a position whose prepare part is earlier comes before the event there, and before the end of the one before", async () => {
    const stream = newStream();
    const { position = { commit: 0n, prepare: 0n } } = await store.client.appendToStream(stream, events(3));
    const fromPosition = { commit: position.commit, prepare: position.prepare - 1n };
    const [forwards] = await collect(store.client.readAll({ fromPosition, maxCount: 1 }));
    expect(eventOf(forwards ?? {})).toMatchObject({ streamId: stream, revision: 2n });
    const [backwards] = await collect(store.client.readAll({ fromPosition, maxCount: 1, direction: BACKWARDS }));
    expect(eventOf(backwards ?? {})).toMatchObject({ streamId: stream, revision: 0n });
  });

  test("shows every stream but the epochs and what groups on $all remember, with a filter and without", async () => {
    const group = newStream("group");
    const names = [
      `$persistentsubscription-$all::${group}-checkpoint`,
      `$persistentsubscription-$all::${group}-parked`,
      `$persistentsubscription-$all::${group}-else`,
      `$persistentsubscription-${group}::g-checkpoint`,
      `$persistentsubscription-${group}::g-parked`,
      `$system-${group}`,
      group,
    ];
    const { position } = await store.client.appendToStream(newStream(), event());
    for (const name of names) await store.client.appendToStream(name, event(group));
    const shown = names.slice(2);
    const after = (await collect(store.client.readAll({ fromPosition: position ?? START }))).map(eventOf);
    expect(after.map(({ streamId }) => streamId).filter((name) => name.includes(group))).toEqual(shown);
    const followed = follow(
      store.client.subscribeToAll({ fromPosition: position ?? START, filter: eventTypeFilter({ prefixes: [group] }) }),
    );
    await followed.caughtUp();
    expect(followed.items.map((item) => eventOf(item).streamId)).toEqual(shown);
    await followed.stop();
    expect((await collect(store.client.readAll())).map((item) => eventOf(item).streamId)).not.toContain(
      "$epoch-information",
    );
  });

  test("links are resolved where that is asked for", async () => {
    const target = newStream();
    await store.client.appendToStream(target, event("target"));
    const links = newStream("links");
    const { position } = await store.client.appendToStream(links, {
      ...event("$>"),
      contentType: "application/octet-stream",
      data: Buffer.from(`0@${target}`),
    });
    const [resolved] = await collect(
      store.client.readAll({ fromPosition: position ?? START, resolveLinkTos: true, maxCount: 1 }),
    );
    expect(resolved?.event?.type).toBe("target");
    expect(resolved?.link?.streamId).toBe(links);
  });
});

describe("filters", () => {
  test("by prefix of the stream's name, any of them", async () => {
    const [one, other, third] = [newStream("alpha"), newStream("beta"), newStream("gamma")];
    for (const stream of [one, other, third]) await store.client.appendToStream(stream, event());
    const filter = streamNameFilter({ prefixes: ["alpha-", "gamma-"] });
    expect(await typesIn(store.client, { filter }, one)).toEqual(["happened"]);
    expect(await typesIn(store.client, { filter }, other)).toEqual([]);
    expect(await typesIn(store.client, { filter }, third)).toEqual(["happened"]);
  });

  test("by type, with a regular expression, case-sensitive", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, [event("Placed"), event("placed"), event("Cancelled")]);
    const seen = await typesIn(store.client, { filter: eventTypeFilter({ regex: "^P|Canc" }) }, stream);
    expect(seen).toEqual(["Placed", "Cancelled"]);
  });

  test.each([
    ["\\d and \\w hold all of Unicode", "^\\w+-\\d+$", ["äö_é-١٢٣", "a-1"], ["a b-1", "a-x"]],
    ["\\s does, too", "^a\\sb$", ["a b", "a\u00a0b", "a\u2003b"], ["ab", "a-b"]],
    ["$ also stands before a line feed at the end", "^a$", ["a", "a\n"], ["a\nb", "a\n\n"]],
    ["\\z does not", "^a\\z", ["a"], ["a\n"]],
    [". is no line feed", "a.c", ["abc"], ["a\nc"]],
    ["(?s) and (?m) change that", "(?s)a.c|(?m)^x$", ["a\nc", "y\nx\nz"], ["ac", "xx"]],
    ["upper and lower case differ but for (?i)", "^(?i:ab)c$", ["abc", "ABc"], ["abC"]],
    ["(?x) leaves out white space and comments", "(?x) ^a b # both\n c$", ["abc"], ["a b c"]],
    ["groups may have names", "^(?<one>a)(?'two'b)$", ["ab"], ["a"]],
    ["classes may leave out others", "^[a-z-[aeiou]]+$", ["xyz"], ["xaz"]],
    ["classes may hold what is no word", "^[\\W_]+$", ["-_ "], ["a-"]],
    ["properties", "^\\p{Lu}\\P{L}[\\p{Ll}]$", ["A1b"], ["a1b", "AAb"]],
    ["escapes", "^\\u0041\\x42\\.\\$\\{$", ["AB.${"], ["AB,${"]],
    ["braces that are no quantifier", "^a{,2}$", ["a{,2}"], ["aa"]],
    ["anywhere in the name", "b+?", ["abc"], ["ac"]],
  ])("regular expressions: %s", async (_name, regex, matching, others) => {
    const stream = newStream();
    const { position } = await store.client.appendToStream(newStream(), event());
    await store.client.appendToStream(
      stream,
      [...matching, ...others].map((type) => event(type)),
    );
    const fromPosition = position ?? START;
    const filter = eventTypeFilter({ regex });
    expect(await typesIn(store.client, { filter, fromPosition }, stream)).toEqual(matching);
  });

  test.each([
    ["a regular expression", eventTypeFilter({ regex: "^wanted" }), streamNameFilter({ regex: "^wanted" })],
    ["prefixes", eventTypeFilter({ prefixes: ["wanted"] }), streamNameFilter({ prefixes: ["wanted"] })],
  ])("a link counts by its own type and stream, not by its target's: %s", async (_name, onType, onStream) => {
    const [target, links] = [newStream(), newStream("wanted-links")];
    const { position } = await store.client.appendToStream(target, event("wanted"));
    await store.client.appendToStream(links, binaryEvent({ type: "$>", data: Buffer.from(`0@${target}`) }));
    const fromPosition = position ?? START;
    const byType = follow(store.client.subscribeToAll({ fromPosition, resolveLinkTos: true, filter: onType }));
    const byStream = follow(store.client.subscribeToAll({ fromPosition, resolveLinkTos: true, filter: onStream }));
    await Promise.all([byType.caughtUp(), byStream.caughtUp()]);
    expect(byType.items).toEqual([]);
    expect(byStream.items.map(({ event: resolved, link }) => [resolved?.type, link?.streamId])).toEqual([
      ["wanted", links],
    ]);
    await Promise.all([byType.stop(), byStream.stop()]);
  });

  test("excludeSystemEvents leaves out what begins with a dollar", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, [event("$mine"), event("mine")]);
    expect(await typesIn(store.client, { filter: excludeSystemEvents() }, stream)).toEqual(["mine"]);
  });
});
