import { fileURLToPath } from "node:url";

/**
 * The scriptable MCP server over stdio, to be run as `node SCRIPTABLE_SERVER_PATH [switches]`. What it can do: see
 * `server/scriptable-behaviour.mjs`; its switches: see the file itself.
 */
export const SCRIPTABLE_SERVER_PATH = fileURLToPath(
  new URL("../server/scriptable-mcp-server.mjs", import.meta.url),
);
