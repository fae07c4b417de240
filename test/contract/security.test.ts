/**
 * Who may do what on a server with users. The embedded server runs in secure mode here; one that is named needs a
 * connection string with an administrator.
 */
import { randomUUID } from "node:crypto";
import { Metadata, status, type ServiceError } from "@grpc/grpc-js";
import {
  AccessDeniedError,
  ANY,
  binaryEvent,
  EventStoreDBClient,
  persistentSubscriptionToAllSettingsFromDefaults as allSettings,
  persistentSubscriptionToStreamSettingsFromDefaults as streamSettings,
  START,
  type StreamMetadata,
} from "@eventstore/db-client";
import gossipGrpc from "@eventstore/db-client/generated/gossip_grpc_pb.js";
import featuresGrpc from "@eventstore/db-client/generated/serverfeatures_grpc_pb.js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import usersGrpc from "@eventstore/db-client/generated/users_grpc_pb.js";
import users from "@eventstore/db-client/generated/users_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  collect,
  event,
  eventually,
  follow,
  newStream,
  rejection,
} from "../local/eventstoredb/event-store-for-test.ts";
import { consume } from "./consumer.ts";
import { useServerUnderTest, withoutUsers } from "./server-under-test.ts";

const title = withoutUsers === undefined ? "a server with users" : `a server with users (left out: ${withoutUsers})`;

describe.skipIf(withoutUsers !== undefined)(title, () => {
  const store = useServerUnderTest("secure");
  const clients: EventStoreDBClient[] = [];
  const connectAs = (user: { readonly name: string; readonly password: string } | undefined): EventStoreDBClient => {
    const login = user === undefined ? "" : `${user.name}:${encodeURIComponent(user.password)}@`;
    const client = EventStoreDBClient.connectionString(
      store.connectionString.replace(/^([^:]+:\/\/)(?:[^@/]*@)?/, (_, protocol: string) => protocol + login),
    );
    clients.push(client);
    return client;
  };

  let management: InstanceType<typeof usersGrpc.UsersClient>;
  const done = (call: (callback: (error: ServiceError | null) => void) => unknown): Promise<void> =>
    new Promise((resolve, reject) => {
      call((error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  const createUser = (
    name: string,
    password: string,
    groups: readonly string[],
    by = store.metadata,
  ): Promise<void> => {
    const options = new users.CreateReq.Options();
    options.setLoginName(name);
    options.setFullName(`Full ${name}`);
    options.setPassword(password);
    options.setGroupsList([...groups]);
    const request = new users.CreateReq();
    request.setOptions(options);
    return done((callback) => management.create(request, by, callback));
  };
  const basic = (name: string, password: string): Metadata => {
    const metadata = new Metadata();
    metadata.set("authorization", `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`);
    return metadata;
  };
  const newUser = async (...groups: string[]): Promise<{ readonly name: string; readonly password: string }> => {
    const user = { name: `user-${randomUUID()}`, password: randomUUID() };
    await createUser(user.name, user.password, groups);
    return user;
  };

  const team = `team-${randomUUID()}`;
  let aliceName: string;
  let alice: EventStoreDBClient;
  let bob: EventStoreDBClient;
  let chief: EventStoreDBClient;
  let operator: EventStoreDBClient;
  let anonymous: EventStoreDBClient;
  beforeAll(async () => {
    management = store.raw(usersGrpc.UsersClient);
    const user = await newUser();
    aliceName = user.name;
    alice = connectAs(user);
    bob = connectAs(await newUser(team));
    chief = connectAs(await newUser("$admins"));
    operator = connectAs(await newUser("$ops"));
    anonymous = connectAs(undefined);
  });
  afterAll(() => Promise.all(clients.map((client) => client.dispose())));

  const read = (client: EventStoreDBClient, stream: string): Promise<unknown> =>
    collect(client.readStream(stream, { maxCount: 1 }));
  const subscribe = (client: EventStoreDBClient, stream: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const subscription = client.subscribeToStream(stream);
      subscription.once("confirmation", () => {
        resolve(subscription.unsubscribe());
      });
      subscription.once("error", reject);
    });
  /** "yes" or the class of the refusal: any other error fails the test that compares it. */
  const allowed = async (call: Promise<unknown>): Promise<string> => {
    try {
      await call;
      return "yes";
    } catch (error) {
      return error instanceof AccessDeniedError ? "no" : String(error);
    }
  };
  const streamWith = async (metadata: StreamMetadata): Promise<string> => {
    const stream = newStream();
    await store.client.appendToStream(stream, event());
    await store.client.setStreamMetadata(stream, metadata);
    return stream;
  };

  describe("credentials", () => {
    test("a wrong password and an unknown user are refused whatever they ask for, as UNAUTHENTICATED", async () => {
      for (const user of [
        { name: aliceName, password: "wrong" },
        { name: `nobody-${randomUUID()}`, password: "wrong" },
      ]) {
        const client = connectAs(user);
        const stream = newStream();
        const calls = [
          () => read(client, stream),
          () => client.appendToStream(stream, event()),
          () => client.deleteStream(stream),
          () => client.createPersistentSubscriptionToStream(stream, "g", streamSettings()),
          () => subscribe(client, stream),
        ];
        for (const call of calls) expect(await rejection(call())).toBeInstanceOf(AccessDeniedError);
        expect(await rejection(read(client, stream))).toMatchObject({ code: status.UNAUTHENTICATED });
      }
    });

    test("credentials of one call stand for those of the connection, better or worse", async () => {
      const stream = await streamWith({ acl: { readRoles: [team], writeRoles: [team] } });
      const user = await newUser(team);
      const better = { credentials: { username: user.name, password: user.password } };
      expect(await allowed(collect(alice.readStream(stream, better)))).toBe("yes");
      expect(await allowed(alice.appendToStream(stream, event(), better))).toBe("yes");
      const worse = { credentials: { username: user.name, password: "wrong" } };
      expect(await allowed(collect(bob.readStream(stream, worse)))).toBe("no");
      expect(await allowed(bob.appendToStream(stream, event(), worse))).toBe("no");
    });

    test("without credentials nothing can be read or written, not even what is everybody's", async () => {
      const stream = await streamWith({ acl: { readRoles: ["$all"], writeRoles: ["$all"] } });
      expect(await allowed(read(anonymous, stream))).toBe("no");
      expect(await allowed(anonymous.appendToStream(stream, event()))).toBe("no");
      expect(await allowed(subscribe(anonymous, stream))).toBe("no");
      expect(await allowed(anonymous.listAllPersistentSubscriptions())).toBe("no");
      expect(await allowed(consumeOnce(anonymous, stream, "g"))).toBe("no");
    });

    test("gossip and server features are told to everybody", async () => {
      const features = store.raw(featuresGrpc.ServerFeaturesClient);
      const gossip = store.raw(gossipGrpc.GossipClient);
      await done((callback) => features.getSupportedMethods(new shared.Empty(), callback));
      await done((callback) => gossip.read(new shared.Empty(), callback));
    });
  });

  describe("access lists", () => {
    const rights = ["read", "write", "delete", "metadata-read", "metadata-write"] as const;
    const acl = (holders: readonly string[] | undefined): StreamMetadata =>
      holders === undefined
        ? {}
        : {
            acl: {
              readRoles: [...holders],
              writeRoles: [...holders],
              deleteRoles: [...holders],
              metaReadRoles: [...holders],
              metaWriteRoles: [...holders],
            },
          };
    const attempt = (right: (typeof rights)[number], client: EventStoreDBClient, stream: string): Promise<unknown> => {
      switch (right) {
        case "read":
          return read(client, stream);
        case "write":
          return client.appendToStream(stream, event());
        case "delete":
          return client.deleteStream(stream, { expectedRevision: ANY });
        case "metadata-read":
          return client.getStreamMetadata(stream);
        case "metadata-write":
          return client.setStreamMetadata(stream, {});
      }
    };
    test.each([
      { list: "nothing", holders: undefined, who: ["alice", "bob", "chief", "operator"] },
      { list: "everybody", holders: ["$all"], who: ["alice", "bob", "chief", "operator"] },
      { list: "nobody", holders: [], who: ["chief"] },
      { list: "a user", holders: ["alice"], who: ["alice", "chief"] },
      { list: "a role", holders: [team], who: ["bob", "chief"] },
      { list: "a user and a role", holders: ["alice", team], who: ["alice", "bob", "chief"] },
      { list: "operators", holders: ["$ops"], who: ["chief", "operator"] },
      { list: "administrators", holders: ["$admins"], who: ["chief"] },
    ])("a list that names $list lets in $who, for each right", async ({ holders, who }) => {
      const callers = { alice, bob, chief, operator };
      const names = holders?.map((name) => (name === "alice" ? aliceName : name));
      for (const right of rights) {
        const found: string[] = [];
        for (const [name, client] of Object.entries(callers)) {
          // A stream for each: a delete that is allowed takes its list with it.
          const answer = await allowed(attempt(right, client, await streamWith(acl(names))));
          if (answer === "yes") found.push(name);
          else expect(answer).toBe("no");
        }
        expect([right, found]).toEqual([right, who]);
      }
    });

    test("a right that the list does not speak of stays everybody's", async () => {
      const stream = await streamWith({ acl: { writeRoles: [team] } });
      expect(await allowed(read(alice, stream))).toBe("yes");
      expect(await allowed(alice.appendToStream(stream, event()))).toBe("no");
    });

    test("a name that stands alone in the list is a list of one", async () => {
      const stream = newStream();
      const metadata = { $acl: { $r: aliceName } };
      await store.client.appendToStream(`$$${stream}`, event("$metadata", metadata));
      expect([await allowed(alice.getStreamMetadata(stream)), await allowed(read(bob, stream))]).toEqual(["yes", "no"]);
    });

    test("tombstones need the right to delete", async () => {
      const stream = await streamWith({ acl: { deleteRoles: [team] } });
      expect(await allowed(alice.tombstoneStream(stream))).toBe("no");
      expect(await allowed(bob.tombstoneStream(stream))).toBe("yes");
    });

    test("a change counts from the next call on", async () => {
      const stream = await streamWith({});
      expect(await allowed(read(alice, stream))).toBe("yes");
      await store.client.setStreamMetadata(stream, { acl: { readRoles: [team] } });
      expect(await allowed(read(alice, stream))).toBe("no");
      await store.client.setStreamMetadata(stream, { acl: { readRoles: [team, aliceName] } });
      expect(await allowed(read(alice, stream))).toBe("yes");
    });

    test("metadata that the server cannot read gives nobody less, or more, than no metadata", async () => {
      const stream = newStream();
      const metadata = { $maxCount: "not a number", $acl: { $r: [team] } };
      await store.client.appendToStream(stream, event());
      await store.client.appendToStream(`$$${stream}`, event("$metadata", metadata));
      expect(await allowed(read(alice, stream))).toBe("yes");
    });

    test("streams of the system are the administrators', until their list says otherwise", async () => {
      const stream = `$${newStream()}`;
      for (const client of [alice, operator]) {
        expect(await allowed(client.appendToStream(stream, event()))).toBe("no");
        expect(await allowed(read(client, stream))).toBe("no");
        expect(await allowed(client.setStreamMetadata(stream, {}))).toBe("no");
      }
      expect(await allowed(chief.appendToStream(stream, event()))).toBe("yes");
      await chief.setStreamMetadata(stream, { acl: { readRoles: [aliceName] } });
      expect(await allowed(read(alice, stream))).toBe("yes");
      expect(await allowed(alice.appendToStream(stream, event()))).toBe("no");
    });

    test("$all is the administrators'", async () => {
      for (const client of [alice, operator]) {
        expect(await allowed(collect(client.readAll({ maxCount: 1 })))).toBe("no");
        const subscription = follow(client.subscribeToAll());
        expect(await subscription.failed()).toBeInstanceOf(AccessDeniedError);
      }
      expect(await allowed(collect(chief.readAll({ maxCount: 1 })))).toBe("yes");
    });

    test("metadata streams cannot be deleted, by nobody", async () => {
      const stream = await streamWith({});
      expect(await allowed(chief.deleteStream(`$$${stream}`))).toBe("no");
      expect(await allowed(chief.tombstoneStream(`$$${stream}`))).toBe("no");
    });

    test("a link is resolved for who may read the stream that it stands in", async () => {
      const target = await streamWith({ acl: { readRoles: [team] } });
      const links = newStream();
      const link = binaryEvent({ type: "$>", data: Buffer.from(`0@${target}`) });
      await store.client.appendToStream(links, link);
      expect(await allowed(read(alice, target))).toBe("no");
      const [resolved] = await collect(alice.readStream(links, { resolveLinkTos: true }));
      expect(resolved?.event?.streamId).toBe(target);
    });

    test("a refused append ends only itself: others on the same stream of the connection are answered", async () => {
      const closed = await streamWith({ acl: { writeRoles: [team] } });
      const open = newStream();
      const appends = Array.from({ length: 20 }, (_, index) =>
        allowed(alice.appendToStream(index % 2 === 0 ? open : closed, event())),
      );
      expect(await Promise.all(appends)).toEqual(appends.map((_, index) => (index % 2 === 0 ? "yes" : "no")));
      expect(await collect(store.client.readStream(open))).toHaveLength(10);
      expect(await collect(store.client.readStream(closed))).toHaveLength(1);
    });

    test("a refused append of many chunks is answered once", async () => {
      const closed = await streamWith({ acl: { writeRoles: [team] } });
      const many = Array.from({ length: 6 }, () => event("t", { text: "x".repeat(900) }));
      expect(await allowed(alice.appendToStream(closed, many, { batchAppendSize: 1000 }))).toBe("no");
      expect(await allowed(alice.appendToStream(newStream(), many, { batchAppendSize: 1000 }))).toBe("yes");
    });

    test("a subscription that is live ends when its user may no longer read the stream, and no other does", async () => {
      const stream = await streamWith({});
      const [ofAlice, ofBob] = [follow(alice.subscribeToStream(stream)), follow(bob.subscribeToStream(stream))];
      await Promise.all([ofAlice.caughtUp(), ofBob.caughtUp()]);
      await store.client.setStreamMetadata(stream, { acl: { readRoles: [team] } });
      expect(await ofAlice.failed()).toBeInstanceOf(AccessDeniedError);
      await store.client.appendToStream(stream, event());
      await ofBob.reached(2);
      await ofBob.stop();
      expect([ofAlice.items.length, ofBob.errors]).toEqual([1, []]);
    });
  });

  const consumeOnce = async (client: EventStoreDBClient, stream: string, group: string): Promise<void> => {
    const consumer = client.subscribeToPersistentSubscriptionToStream(stream, group);
    const consumed = consume(consumer);
    let confirmed = false;
    consumer.once("confirmation", () => (confirmed = true));
    await eventually(
      () => confirmed || consumed.errors.length > 0,
      () => "a confirmation or an error",
    );
    await consumer.unsubscribe().catch(() => undefined);
    if (consumed.errors.length > 0) throw consumed.errors[0];
  };

  describe("persistent subscriptions", () => {
    test("are made, changed, replayed and deleted by operators and administrators", async () => {
      const stream = newStream();
      for (const [client, answer] of [
        [alice, "no"],
        [operator, "yes"],
        [chief, "yes"],
      ] as const) {
        const group = randomUUID();
        const calls = [
          () => client.createPersistentSubscriptionToStream(stream, group, streamSettings()),
          () => client.updatePersistentSubscriptionToStream(stream, group, streamSettings()),
          () => client.replayParkedMessagesToStream(stream, group),
          () => client.deletePersistentSubscriptionToStream(stream, group),
          () => client.createPersistentSubscriptionToAll(group, allSettings()),
          () => client.deletePersistentSubscriptionToAll(group),
        ];
        const answers: string[] = [];
        for (const call of calls) answers.push(await allowed(call()));
        expect(answers).toEqual(calls.map(() => answer));
      }
      expect(await allowed(alice.restartPersistentSubscriptionSubsystem())).toBe("no");
    });

    test("are told of to every user", async () => {
      const [stream, group] = [newStream(), randomUUID()];
      await store.client.createPersistentSubscriptionToStream(stream, group, streamSettings());
      expect((await alice.listPersistentSubscriptionsToStream(stream)).map((info) => info.groupName)).toEqual([group]);
      expect((await alice.getPersistentSubscriptionToStreamInfo(stream, group)).groupName).toBe(group);
    });

    test("are consumed by who may read what they read, and information names them", async () => {
      const stream = await streamWith({ acl: { readRoles: [aliceName] } });
      await store.client.createPersistentSubscriptionToStream(stream, "g", streamSettings({ startFrom: START }));
      expect(await allowed(consumeOnce(bob, stream, "g"))).toBe("no");
      expect(await allowed(consumeOnce(operator, stream, "g"))).toBe("no");
      const subscription = alice.subscribeToPersistentSubscriptionToStream(stream, "g");
      const consumer = consume(subscription);
      await consumer.reached(1);
      const info = await store.client.getPersistentSubscriptionToStreamInfo(stream, "g");
      expect(info.connections.map(({ username }) => username)).toEqual([aliceName]);
      await subscription.unsubscribe();
    });

    test("to $all are consumed by administrators", async () => {
      const group = randomUUID();
      await store.client.createPersistentSubscriptionToAll(group, allSettings());
      for (const client of [alice, operator]) {
        const consumer = consume(client.subscribeToPersistentSubscriptionToAll(group));
        await eventually(
          () => consumer.errors.length > 0,
          () => "a refusal",
        );
        expect(consumer.errors[0]).toBeInstanceOf(AccessDeniedError);
      }
      await store.client.deletePersistentSubscriptionToAll(group);
    });
  });

  describe("users", () => {
    const named = (name: string) => {
      const options = new users.DeleteReq.Options();
      options.setLoginName(name);
      return options;
    };
    const remove = (name: string, by = store.metadata): Promise<void> => {
      const request = new users.DeleteReq();
      request.setOptions(named(name));
      return done((callback) => management.delete(request, by, callback));
    };
    const setDisabled = (name: string, disabled: boolean): Promise<void> => {
      if (disabled) {
        const request = new users.DisableReq();
        request.setOptions(new users.DisableReq.Options().setLoginName(name));
        return done((callback) => management.disable(request, store.metadata, callback));
      }
      const request = new users.EnableReq();
      request.setOptions(new users.EnableReq.Options().setLoginName(name));
      return done((callback) => management.enable(request, store.metadata, callback));
    };
    const update = (name: string, groups: string[]): Promise<void> => {
      const request = new users.UpdateReq();
      request.setOptions(
        new users.UpdateReq.Options().setLoginName(name).setFullName(`Full ${name}`).setGroupsList(groups),
      );
      return done((callback) => management.update(request, store.metadata, callback));
    };
    const changePassword = (name: string, from: string, to: string, by: Metadata): Promise<void> => {
      const options = new users.ChangePasswordReq.Options();
      options.setLoginName(name).setCurrentPassword(from).setNewPassword(to);
      const request = new users.ChangePasswordReq();
      request.setOptions(options);
      return done((callback) => management.changePassword(request, by, callback));
    };
    const resetPassword = (name: string, to: string, by = store.metadata): Promise<void> => {
      const request = new users.ResetPasswordReq();
      request.setOptions(new users.ResetPasswordReq.Options().setLoginName(name).setNewPassword(to));
      return done((callback) => management.resetPassword(request, by, callback));
    };
    const details = (
      name: string | undefined,
      by = store.metadata,
    ): Promise<users.DetailsResp.UserDetails.AsObject[]> =>
      new Promise((resolve, reject) => {
        const found: users.DetailsResp.UserDetails.AsObject[] = [];
        const request = new users.DetailsReq();
        request.setOptions(new users.DetailsReq.Options().setLoginName(name ?? ""));
        management
          .details(request, by)
          .on("data", (response: users.DetailsResp) => {
            const one = response.getUserDetails();
            if (one !== undefined) found.push(one.toObject());
          })
          .on("end", () => resolve(found))
          .on("error", reject);
      });
    const canRead = ({ name, password }: { name: string; password: string }): Promise<string> =>
      allowed(collect(store.client.readStream(known, { credentials: { username: name, password } })));
    let known: string;
    beforeAll(async () => {
      known = await streamWith({});
    });

    test("are told of, without their passwords", async () => {
      const user = await newUser("some", "groups");
      const before = BigInt(Date.now() - 60_000) * 10_000n;
      const [found] = await details(user.name);
      expect(found).toMatchObject({
        loginName: user.name,
        fullName: `Full ${user.name}`,
        groupsList: ["some", "groups"],
        disabled: false,
      });
      expect(BigInt(found?.lastUpdated?.ticksSinceEpoch ?? "0")).toBeGreaterThan(before);
      expect((await details(undefined)).map(({ loginName }) => loginName)).toEqual(
        expect.arrayContaining(["admin", user.name]),
      );
    });

    test("that are not there, or there already, are refused by name", async () => {
      const name = `nobody-${randomUUID()}`;
      const notFound = { code: status.NOT_FOUND, details: `User '${name}' is not found.` };
      for (const call of [
        () => details(name),
        () => remove(name),
        () => setDisabled(name, true),
        () => update(name, []),
        () => resetPassword(name, "x"),
      ]) {
        const error = await rejection(call());
        expect(error).toMatchObject(notFound);
        expect((error as ServiceError).metadata.get("login-name")).toEqual([name]);
        expect((error as ServiceError).metadata.get("exception")).toEqual(["user-not-found"]);
      }
      const user = await newUser();
      await createUser(user.name, user.password, []);
      expect(await rejection(createUser(user.name, "another", []))).toMatchObject({
        code: status.FAILED_PRECONDITION,
        details: "Conflict.",
      });
    });

    test("are let in by a new password only, at once", async () => {
      const user = await newUser();
      expect(await canRead(user)).toBe("yes");
      const self = basic(user.name, user.password);
      expect(await rejection(changePassword(user.name, "wrong", "new", self))).toMatchObject({
        code: status.PERMISSION_DENIED,
      });
      await changePassword(user.name, user.password, "new", self);
      expect([await canRead(user), await canRead({ ...user, password: "new" })]).toEqual(["no", "yes"]);
      await resetPassword(user.name, "newer");
      expect([await canRead({ ...user, password: "new" }), await canRead({ ...user, password: "newer" })]).toEqual([
        "no",
        "yes",
      ]);
    });

    test("are kept out while disabled, and once deleted", async () => {
      const user = await newUser();
      expect(await canRead(user)).toBe("yes");
      await setDisabled(user.name, true);
      expect([await canRead(user), (await details(user.name))[0]?.disabled]).toEqual(["no", true]);
      await setDisabled(user.name, false);
      expect(await canRead(user)).toBe("yes");
      await remove(user.name);
      expect(await canRead(user)).toBe("no");
    });

    test("get what a new group has", async () => {
      const user = await newUser();
      const client = connectAs(user);
      const stream = await streamWith({ acl: { readRoles: [team] } });
      expect(await allowed(read(client, stream))).toBe("no");
      await update(user.name, [team]);
      expect(await allowed(read(client, stream))).toBe("yes");
    });

    test("are managed by administrators only; a password is changed by its user only", async () => {
      const [user, other] = [await newUser("$ops"), await newUser()];
      const by = basic(user.name, user.password);
      const denied = { code: status.PERMISSION_DENIED, details: "Access Denied" };
      for (const call of [
        () => createUser(`user-${randomUUID()}`, "x", ["$admins"], by),
        () => remove(other.name, by),
        () => resetPassword(other.name, "x", by),
        () => changePassword(other.name, other.password, "x", by),
      ]) {
        expect(await rejection(call())).toMatchObject(denied);
      }
      expect(await rejection(details(undefined, new Metadata()))).toMatchObject(denied);
      expect(await canRead(other)).toBe("yes");
    });
  });
});
