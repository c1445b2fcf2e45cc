import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(import.meta.url);

/** The root of the clone, from apps/embedded/{src,dist}. */
export const root = path.resolve(import.meta.dirname, "../../..");

/** Every program that runs, by its absolute path, so that an allow-list can name exactly that. */
export const programs = {
  node: realpathSync(process.execPath),
  controlPlane: path.join(root, "apps/control-plane/dist/main.js"),
  agent: path.join(root, "apps/agent/dist/main.js"),
  dbhub: realpathSync(require.resolve("@bytebase/dbhub")),
  filesystemServer: entryOf("@modelcontextprotocol/server-filesystem"),
  everythingServer: entryOf("@modelcontextprotocol/server-everything"),
  loopbackOnly: path.join(import.meta.dirname, "loopback-only.js"),
};

/** These packages are programs and name no entry to import. */
function entryOf(packageName: string): string {
  const manifest = require.resolve(`${packageName}/package.json`);
  return realpathSync(path.join(path.dirname(manifest), "dist/index.js"));
}
