import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(import.meta.url);

/** The root of the clone. */
export const root = path.resolve(import.meta.dirname, "../..");

/** The programs as an operator runs them, from the build; `npm test` builds first. */
export const programs = {
  node: realpathSync(process.execPath),
  controlPlane: path.join(root, "apps/control-plane/dist/main.js"),
  agent: path.join(root, "apps/agent/dist/main.js"),
  cli: path.join(root, "drawbridge"),
  dbhub: realpathSync(require.resolve("@bytebase/dbhub")),
  filesystemServer: besideManifest(
    require.resolve("@modelcontextprotocol/server-filesystem/package.json"),
    "dist/index.js",
  ),
  everythingServer: besideManifest(
    require.resolve("@modelcontextprotocol/server-everything/package.json"),
    "dist/index.js",
  ),
  fetchServer: besideManifest(require.resolve("@tokenizin/mcp-npx-fetch/package.json"), "dist/index.js"),
  inspector: besideManifest(
    require.resolve("@modelcontextprotocol/inspector/package.json"),
    "clients/launcher/build/index.js",
  ),
  loopbackOnly: path.join(root, "apps/embedded/dist/loopback-only.js"),
};

/** These packages are programs and name no entry to import. */
function besideManifest(manifest: string, entry: string): string {
  return realpathSync(path.join(path.dirname(manifest), entry));
}
