import { existsSync, readdirSync } from "node:fs";
import js from "@eslint/js";
import { createTypeScriptImportResolver } from "eslint-import-resolver-typescript";
import { importX } from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

/** What each layer below the services may know of the others. */
const layersOfTheEventStore = {
  protobuf: [],
  log: ["protobuf"],
  "catch-up-subscriptions": ["log"],
  "persistent-subscriptions": ["log"],
  security: ["log"],
  cluster: ["log"],
};

const kernel = "kernel";

const domainFolders = readdirSync(new URL("domain", import.meta.url), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

/** What translates between contexts is a process; every other folder of domain/ is a context. */
const processes = domainFolders.filter((name) => existsSync(new URL(`domain/${name}/translations`, import.meta.url)));
const contexts = domainFolders.filter((name) => name !== kernel && !processes.includes(name));

const inDomain = (names) => names.map((name) => `./domain/${name}`);

/** The borders within domain/. */
const contextBorders = [
  ...contexts.map((context) => ({
    target: `./domain/${context}`,
    from: inDomain(domainFolders.filter((name) => name !== context && name !== kernel)),
    message: "A context imports nothing of another and nothing of the process: only domain/kernel.",
  })),
  {
    target: `./domain/${kernel}`,
    from: inDomain(domainFolders.filter((name) => name !== kernel)),
    message: "domain/kernel is what every context stands on: it imports nothing of them.",
  },
  ...processes.flatMap((process) => [
    {
      target: [`./domain/${process}/*`, `./domain/${process}/!(translations)/**/*`],
      from: inDomain(contexts),
      message: `Only domain/${process}/translations knows the contexts: translate what the process needs there.`,
    },
    ...processes
      .filter((other) => other !== process)
      .map((other) => ({
        target: `./domain/${process}`,
        from: `./domain/${other}`,
        message: "A process imports nothing of another.",
      })),
  ]),
];

/** Imports go one way: domain <- projections <- functions -> engine. Each zone lists what `target` may not import. */
const importDirection = [
  {
    target: "./domain",
    from: ["./projections", "./functions", "./engine", "./local", "./test", "./bench"],
    message: "domain/ is pure: it imports nothing but domain/.",
  },
  ...contextBorders,
  {
    target: "./projections",
    from: ["./functions", "./local", "./test", "./bench"],
    message: "projections/ import domain/ and the engine's projection types only.",
  },
  {
    target: "./projections",
    from: "./engine",
    except: ["./views/projection.ts"],
    message: "projections/ use only the engine's projection types (engine/views/projection.ts).",
  },
  {
    target: "./engine",
    from: ["./domain", "./projections", "./functions", "./local", "./test", "./bench"],
    message: "engine/ knows no order and no invoice: it imports nothing but engine/.",
  },
  {
    target: "./functions",
    from: ["./local", "./test", "./bench"],
    message: "functions/ run on AWS: nothing local belongs in them.",
  },
  {
    target: "./local/eventstoredb",
    from: ["./domain", "./projections", "./functions", "./engine", "./test", "./bench"],
    message: "The embedded event store stands alone: it knows neither the domain nor the engine.",
  },
  ...Object.entries(layersOfTheEventStore).map(([layer, known]) => ({
    target: `./local/eventstoredb/${layer}`,
    from: Object.keys(layersOfTheEventStore)
      .concat("grpc", "http")
      .filter((other) => other !== layer && !known.includes(other))
      .map((other) => `./local/eventstoredb/${other}`),
    message: "The event store's layers: protobuf <- log <- subscriptions, security, cluster <- grpc, http.",
  })),
];

/** The rules of a persistent subscription: events and the time come in, deliveries and checkpoints go out. */
const pureEngine = [
  "engine",
  "owed-events",
  "live-buffer",
  "connected-consumers",
  "consumer",
  "consumer-strategies",
  "pinned-strategy",
  "message",
  "queue",
].map((file) => `local/eventstoredb/persistent-subscriptions/${file}.ts`);

const isPure = {
  "no-restricted-globals": [
    "error",
    ...[
      "process",
      "fetch",
      "setTimeout",
      "setInterval",
      "setImmediate",
      "console",
      "Buffer",
      "crypto",
      "performance",
    ].map((name) => ({
      name,
      message: "This is pure: no clock, environment, randomness or I/O.",
    })),
  ],
  "no-restricted-properties": [
    "error",
    { object: "Date", property: "now", message: "Time comes in with the command or the event." },
    { object: "Math", property: "random", message: "Randomness comes in with the command." },
  ],
  "no-restricted-syntax": [
    "error",
    {
      selector: "NewExpression[callee.name='Date'][arguments.length=0]",
      message: "Time comes in with the command or the event.",
    },
  ],
  "no-restricted-imports": [
    "error",
    {
      patterns: [
        {
          regex: "^(node:|@aws-sdk/|@eventstore/|@grpc/|@middy/)",
          message: "This is pure: no client.",
        },
      ],
    },
  ],
};

export default tseslint.config(
  { ignores: ["node_modules/", ".tidemark/", ".serverless/", ".esbuild/", "coverage/"] },
  js.configs.recommended,
  {
    files: ["**/*.js"],
    languageOptions: {
      globals: { process: "readonly", console: "readonly", setInterval: "readonly", URL: "readonly" },
    },
  },
  ...tseslint.configs.strictTypeChecked.map((config) => ({ ...config, files: ["**/*.ts"] })),
  {
    files: ["**/*.ts"],
    plugins: { "import-x": importX },
    settings: { "import-x/resolver-next": [createTypeScriptImportResolver()] },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "import-x/no-restricted-paths": ["error", { zones: importDirection }],
      "no-console": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/only-throw-error": "error",
    },
  },
  { files: ["domain/**/*.ts", "projections/**/*.ts"], rules: isPure },
  { files: pureEngine, rules: isPure },
  { files: ["local/**/*.ts", "bench/**/*.ts", "deploy/**/*.ts"], rules: { "no-console": "off" } },
);
