/** The certificate of a secure server, and the command in secure mode: its flags, its ready line, its refusals, and no password anywhere. */
import { spawn } from "node:child_process";
import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventStoreDBClient } from "@eventstore/db-client";
import forge from "node-forge";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { startEventStore, type EventStoreServer } from "../../../local/eventstoredb/event-store-server.ts";
import { ownCertificate } from "../../../local/eventstoredb/security/certificate.ts";
import { generateCertificate } from "../../../local/eventstoredb/security/generated-certificate.ts";
import { collect, event, rejection } from "./event-store-for-test.ts";
import { mainFile, runToEnd } from "./server-process.ts";

const base = mkdtempSync(join(tmpdir(), "event-store-tls-"));
afterAll(() => rm(base, { recursive: true }));
let directories = 0;
const directory = (): string => join(base, `data-${(directories += 1)}`);

const running: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop();
});
const adminPassword = "the password of admin";
const start = async (options: Parameters<typeof startEventStore>[0]): Promise<EventStoreServer> => {
  const server = await startEventStore(options);
  running.push(() => server.stop());
  return server;
};
const connect = (connectionString: string): EventStoreDBClient => {
  const client = EventStoreDBClient.connectionString(connectionString);
  running.push(() => client.dispose());
  return client;
};
const asAdmin = (server: Pick<EventStoreServer, "connectionStringFor">): EventStoreDBClient =>
  connect(server.connectionStringFor({ username: "admin", password: adminPassword }));
const security = { adminPassword };

const mode = async (file: string): Promise<string> => ((await stat(file)).mode & 0o777).toString(8);
const certificateIn = async (file: string): Promise<X509Certificate> => new X509Certificate(await readFile(file));

describe("the certificate that a server makes for itself", () => {
  test("is kept in the data directory, its key for the server's user alone, and used again", async () => {
    const dataDirectory = directory();
    const first = await startEventStore({ dataDirectory, security });
    const tls = join(dataDirectory, "tls");
    expect(first.caFile).toBe(join(tls, "ca.crt"));
    expect((await readdir(tls)).sort()).toEqual(["ca.crt", "node.crt", "node.key"]);
    expect(await mode(join(tls, "node.key"))).toBe("600");
    const before = await readFile(join(tls, "node.crt"), "utf8");
    await first.stop();
    const second = await start({ dataDirectory, security });
    expect(await readFile(join(tls, "node.crt"), "utf8")).toBe(before);
    await asAdmin(second).appendToStream("s", event());
  });

  test("is for this machine's own names, is no authority, and the authority's key is nowhere", async () => {
    const { dataDirectory = "" } = await start({ security });
    const tls = join(dataDirectory, "tls");
    const [node, authority] = [await certificateIn(join(tls, "node.crt")), await certificateIn(join(tls, "ca.crt"))];
    expect(node.subjectAltName?.split(", ").sort()).toEqual([
      "DNS:localhost",
      "IP Address:0:0:0:0:0:0:0:1",
      "IP Address:127.0.0.1",
    ]);
    expect([node.ca, authority.ca]).toEqual([false, true]);
    expect(node.verify(authority.publicKey)).toBe(true);
    const key = createPrivateKey(await readFile(join(tls, "node.key")));
    expect([node.checkPrivateKey(key), authority.checkPrivateKey(key)]).toEqual([true, false]);
    expect(Date.parse(node.validTo)).toBeGreaterThan(Date.now() + 365 * 86_400_000);
  });

  test("is trusted by its authority's file only, under each of its names", async () => {
    const server = await start({ security });
    for (const host of ["127.0.0.1", "localhost"]) {
      const client = connect(
        server.connectionStringFor({ username: "admin", password: adminPassword }).replace("127.0.0.1", host),
      );
      await client.appendToStream("s", event());
    }
    const distrusting = connect(`esdb://admin:x@127.0.0.1:${server.port}?tls=true`);
    expect(String(await rejection(collect(distrusting.readStream("s"))))).toContain("UNAVAILABLE");
    const plain = connect(`esdb://127.0.0.1:${server.port}?tls=false`);
    expect(String(await rejection(collect(plain.readStream("s"))))).toContain("UNAVAILABLE");
  });

  test("is made again where it is not for the address, or has expired", async () => {
    const dataDirectory = directory();
    await (await startEventStore({ dataDirectory, security })).stop();
    const file = join(dataDirectory, "tls", "node.crt");
    const first = await readFile(file, "utf8");
    await ownCertificate(join(dataDirectory, "tls"), ["127.0.0.1", "192.0.2.1", "db.example"]);
    const second = await certificateIn(file);
    expect([second.checkIP("192.0.2.1"), second.checkHost("db.example")]).toEqual(["192.0.2.1", "db.example"]);
    expect(await readFile(file, "utf8")).not.toBe(first);
    await writeExpired(join(dataDirectory, "tls"));
    await start({ dataDirectory, security });
    expect(Date.parse((await certificateIn(file)).validTo)).toBeGreaterThan(Date.now());
  });

  test("is refused by name where a file of it has been damaged: nothing is replaced that clients may trust", async () => {
    const dataDirectory = directory();
    await (await startEventStore({ dataDirectory, security })).stop();
    const tls = join(dataDirectory, "tls");
    for (const name of ["ca.crt", "node.crt", "node.key"]) {
      const file = join(tls, name);
      const good = await readFile(file);
      await writeFile(file, "damaged");
      expect(await rejection(startEventStore({ dataDirectory, security }))).toMatchObject({
        code: "CERTIFICATE_UNUSABLE",
        file,
        message: expect.stringContaining(`Remove the directory ${tls}`) as string,
      });
      expect(await readFile(file, "utf8")).toBe("damaged");
      await writeFile(file, good);
    }
    await start({ dataDirectory, security });
  });
});

/** A certificate that signs itself, valid for so many days from now; negative: it has expired. */
const selfSigned = (days: number): { readonly certificate: string; readonly key: string } => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = "01";
  certificate.validity.notBefore = new Date(Date.now() - 30 * 86_400_000);
  certificate.validity.notAfter = new Date(Date.now() + days * 86_400_000);
  certificate.setSubject([{ name: "commonName", value: "self" }]);
  certificate.setIssuer(certificate.subject.attributes);
  certificate.setExtensions([{ name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }]);
  certificate.sign(forge.pki.privateKeyFromPem(privateKey), forge.md.sha256.create());
  return { certificate: forge.pki.certificateToPem(certificate), key: privateKey };
};
const writeExpired = async (tls: string): Promise<void> => {
  const { certificate, key } = selfSigned(-1);
  await writeFile(join(tls, "node.crt"), certificate);
  await writeFile(join(tls, "node.key"), key);
};

describe("a certificate of one's own", () => {
  const write = async (contents: { readonly certificate: string; readonly key: string }) => {
    const folder = directory();
    await mkdir(folder);
    const files = { certificateFile: join(folder, "my.crt"), privateKeyFile: join(folder, "my.key") };
    await writeFile(files.certificateFile, contents.certificate);
    await writeFile(files.privateKeyFile, contents.key);
    return files;
  };

  test("is shown, and nothing is made; one that signs itself is its own authority for clients", async () => {
    const certificate = await write(selfSigned(30));
    const server = await start({ security: { adminPassword, certificate } });
    expect(server.caFile).toBe(certificate.certificateFile);
    await asAdmin(server).appendToStream("s", event());
    expect(await readdir(server.dataDirectory ?? "")).not.toContain("tls");
  });

  test("with an authority: clients are told of its file", async () => {
    const tls = directory();
    await generateCertificate(tls, ["127.0.0.1"]);
    const file = (name: string): string => join(tls, name);
    const certificate = { certificateFile: file("node.crt"), privateKeyFile: file("node.key") };
    const known = await start({ security: { adminPassword, certificate } });
    expect([known.caFile, known.connectionString]).toEqual([undefined, `esdb://127.0.0.1:${known.port}?tls=true`]);
    const caFile = file("ca.crt");
    const server = await start({ security: { adminPassword, certificate: { ...certificate, caFile } } });
    expect(server.caFile).toBe(caFile);
    await asAdmin(server).appendToStream("s", event());
  });

  const refusals: readonly [
    string,
    () => Promise<{ readonly files: Awaited<ReturnType<typeof write>>; file: string }>,
  ][] = [
    [
      "that is not there",
      async () => {
        const files = await write(selfSigned(30));
        await rm(files.certificateFile);
        return { files, file: files.certificateFile };
      },
    ],
    [
      "whose key is not there",
      async () => {
        const files = await write(selfSigned(30));
        await rm(files.privateKeyFile);
        return { files, file: files.privateKeyFile };
      },
    ],
    [
      "that is none",
      async () => {
        const files = await write({ ...selfSigned(30), certificate: "nothing" });
        return { files, file: files.certificateFile };
      },
    ],
    [
      "whose key is none",
      async () => {
        const files = await write({ ...selfSigned(30), key: "nothing" });
        return { files, file: files.privateKeyFile };
      },
    ],
    [
      "with the key of another one",
      async () => {
        const files = await write({ ...selfSigned(30), key: selfSigned(30).key });
        return { files, file: files.privateKeyFile };
      },
    ],
    [
      "that has expired",
      async () => {
        const files = await write(selfSigned(-1));
        return { files, file: files.certificateFile };
      },
    ],
  ];
  test.each(refusals)("%s is refused by the name of the file", async (_name, make) => {
    const { files, file } = await make();
    const refused = await rejection(startEventStore({ security: { adminPassword, certificate: files } }));
    expect(refused).toMatchObject({ code: "CERTIFICATE_UNUSABLE", file });
    expect(String(refused)).toMatch(new RegExp(`${file}.*\\. Name a certificate that is valid, and its key\\.$`));
  });
});

describe("the command", () => {
  interface Running {
    readonly ready: unknown;
    readonly pid: number;
    stop(): Promise<{ readonly code: number | null; readonly output: string }>;
  }
  const run = async (parameters: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Running> => {
    const child = spawn(process.execPath, [mainFile, "--port", "0", ...parameters], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    const ended = once(child, "close");
    await Promise.race([once(child.stdout, "data"), ended]);
    const stop = async () => {
      child.kill("SIGTERM");
      await ended;
      return { code: child.exitCode, output };
    };
    running.push(stop);
    return { ready: output.startsWith("{") ? JSON.parse(output) : output, pid: child.pid ?? -1, stop };
  };

  test.each<[string, (folder: string) => Promise<{ flags: readonly string[]; environment: NodeJS.ProcessEnv }>]>([
    [
      "variables",
      () =>
        Promise.resolve({
          flags: ["--secure"],
          environment: {
            EVENTSTORE_DEFAULT_ADMIN_PASSWORD: adminPassword,
            EVENTSTORE_DEFAULT_OPS_PASSWORD: "another secret",
          },
        }),
    ],
    [
      "a file",
      async (folder) => {
        const file = join(folder, "passwords");
        await writeFile(file, `admin:${adminPassword}\nops:another secret\n`, { mode: 0o600 });
        return { flags: ["--password-file", file], environment: {} };
      },
    ],
  ])("takes passwords from %s, and tells them nowhere", async (_name, give) => {
    const folder = directory();
    await mkdir(folder);
    const data = join(folder, "data");
    const { flags, environment } = await give(folder);
    const server = await run([...flags, "--data", data, "--json"], environment);
    const caFile = join(data, "tls", "ca.crt");
    expect(server.ready).toEqual({
      ready: true,
      connectionString: expect.stringMatching(/^esdb:\/\/127\.0\.0\.1:\d+\?tls=true&tlsCAFile=/) as string,
      port: expect.any(Number) as number,
      dataDirectory: data,
      caFile,
      pid: server.pid,
    });
    const { connectionString } = server.ready as { readonly connectionString: string };
    const login = (user: string, password: string): string =>
      connectionString.replace("esdb://", `esdb://${user}:${encodeURIComponent(password)}@`);
    await connect(login("admin", adminPassword)).appendToStream("s", event());
    await collect(connect(login("ops", "another secret")).readStream("s"));
    await rejection(collect(connect(login("admin", "a wrong secret")).readStream("s")));
    const commandLine = await readFile(`/proc/${server.pid}/cmdline`, "utf8").catch(() => "");
    const { code, output } = await server.stop();
    expect(code).toBe(0);
    for (const secret of [adminPassword, "another secret", "a wrong secret"]) {
      expect([output.includes(secret), commandLine.includes(secret)]).toEqual([false, false]);
    }
  });

  test("says in words where to connect, and how to name a user", async () => {
    const data = directory();
    const server = await run(["--secure", "--data", data], { EVENTSTORE_DEFAULT_ADMIN_PASSWORD: adminPassword });
    expect(server.ready).toMatch(
      /^Event store ready at esdb:\/\/127\.0\.0\.1:\d+\?tls=true&tlsCAFile=\S+ca\.crt, for a user: put admin:PASSWORD@ after esdb:\/\/, data in /,
    );
  });

  test("listens in secure mode where others reach it, without --insecure", async () => {
    const server = await run(["--secure", "--data", directory(), "--host", "0.0.0.0", "--json"], {
      EVENTSTORE_DEFAULT_ADMIN_PASSWORD: adminPassword,
    });
    expect(server.ready).toMatchObject({ ready: true });
  });

  test("refuses what cannot be: one line that says what to do, without a password", async () => {
    const folder = directory();
    await mkdir(folder);
    const passwords = join(folder, "passwords");
    await writeFile(passwords, `admin:${adminPassword}\njust a secret\n`);
    const data = ["--data", join(folder, "data"), "--port", "0"];
    for (const [flags, said] of [
      [["--secure"], "EVENTSTORE_DEFAULT_ADMIN_PASSWORD"],
      [["--password-file", passwords], `${passwords}, line 2 is no password: write admin:password or ops:password.`],
      [["--password-file", join(folder, "none")], `${join(folder, "none")} cannot be read`],
      [["--certificate-file", passwords], "name both, or neither"],
      [
        ["--certificate-file", passwords, "--certificate-private-key-file", passwords],
        `${passwords} is no certificate`,
      ],
      [["--secure", "--insecure"], "cannot be used with option"],
    ] as const) {
      const { code, stdout, stderr } = await runToEnd([...flags, ...data]);
      expect([code, stdout, stderr.trim().split("\n").length]).toEqual([1, "", 1]);
      expect(stderr).toContain(said);
      expect(stderr).not.toMatch(/secret|the password of admin/);
    }
  });
});
