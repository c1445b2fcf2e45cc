/**
 * A stdio server of 2026-07-28 and no other revision, for `node -e`. The tool "who" answers with its process and with
 * what it was sent, "progress" as well after it reported some; any other tool waits for ever. Asked to initialize it
 * knows no such method; with "leave" as its argument it leaves over it.
 */
export const MODERN_SERVER = `
  const { createInterface } = require("node:readline");
  const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\\n");
  const result = (id, members) => say({ id, result: { resultType: "complete", ...members } });
  const cancelled = [];
  createInterface({ input: process.stdin }).on("line", (line) => {
    const { id, method, params } = JSON.parse(line);
    if (method === "notifications/cancelled") cancelled.push(params.requestId);
    if (method === "initialize" && process.argv.includes("leave")) process.exit(4);
    if (id === undefined) return;
    if (method === "server/discover") return result(id, { supportedVersions: ["2026-07-28"], capabilities: { tools: {} } });
    if (method === "tools/list") return result(id, { tools: [] });
    if (method !== "tools/call") return say({ id, error: { code: -32601, message: "method not found" } });
    const { name, _meta } = params;
    if (name === "progress")
      say({ method: "notifications/progress", params: { progressToken: _meta.progressToken, progress: 1 } });
    if (name === "who" || name === "progress")
      result(id, { content: [], structuredContent: { pid: process.pid, id, cancelled, arguments: params.arguments } });
  });
`;
