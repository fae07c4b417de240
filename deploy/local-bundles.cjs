/**
 * Plugins of esbuild for the stage `local`, where packages are not bundled. The event store's client is, for two functions of one
 * process must not share what it remembers; but not what it generates from its protocol, which remembers nothing and is two
 * thirds of a bundle: that is loaded from where it lies, once for all functions.
 */
const path = require("node:path");

const generatedByTheProtocol = {
  name: "generated-by-the-protocol",
  setup(build) {
    build.onResolve({ filter: /\/generated\// }, ({ importer, path: asked, resolveDir }) => {
      if (!importer.includes(path.join("@eventstore", "db-client"))) return undefined;
      return { path: path.resolve(resolveDir, asked), external: true };
    });
  },
};

/** Called by serverless-esbuild. */
module.exports = (serverless) =>
  serverless.service.provider.stage === "local" || serverless.processedInput.options.stage === "local"
    ? [generatedByTheProtocol]
    : [];
