import { createMasker } from "@drawbridge/masking";
import { createHash } from "node:crypto";

/** In a row of its own here and there; made up. */
const TOKEN = `ghp_${"0123456789abcdefghijABCDEFGHIJ".repeat(2).slice(0, 36)}`;
const ROW_BYTES = 1_000;
const SECRET_EVERY = 1_000;

/**
 * A stdio server, for `node -e`, that answers tools/call with `arguments.bytes` of rows, a token among some of them, and
 * waits `arguments.pauseMs` in the middle. `crash`: it dies there. It answers everything else with an empty result.
 */
export const EXPORT_SERVER = `
  const { createInterface } = require("node:readline");
  const { once } = require("node:events");
  const row = ${row.toString()};
  const write = async (text) => process.stdout.write(text) || (await once(process.stdout, "drain"));
  async function answer(id, { bytes, pauseMs = 0, crash = false }) {
    const rows = Math.ceil(bytes / ${ROW_BYTES});
    await write('{"jsonrpc":"2.0","id":' + JSON.stringify(id) + ',"result":{"content":[');
    for (let index = 0; index < rows; index++) {
      await write((index === 0 ? "" : ",") + row(index, ${JSON.stringify(TOKEN)}));
      if (index !== rows >> 1) continue;
      if (crash) process.exit(3);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    await write("]}}\\n");
  }
  createInterface({ input: process.stdin }).on("line", (line) => {
    const { id, method, params } = JSON.parse(line);
    if (method === "tools/call") void answer(id, params.arguments);
    else if (id !== undefined) void write(JSON.stringify({ jsonrpc: "2.0", id, result: {} }) + "\\n");
  });
`;

/** One text of a result. Runs in the server as well: it uses nothing around it. */
function row(index: number, token: string): string {
  const text = index % 1_000 === 7 ? `the token is ${token}` : `row ${index} ${"lorem ipsum ".repeat(78)}`;
  return JSON.stringify({ type: "text", text });
}

/** The SHA-256, in hex, of what is left of such an answer when it has been masked, and how many tokens were. */
export function maskedExport(id: string | number, bytes: number): { digest: string; tokens: number } {
  const rows = Math.ceil(bytes / ROW_BYTES);
  const masked = createMasker().maskText(TOKEN).text;
  const hash = createHash("sha256").update(
    `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":[`,
  );
  let tokens = 0;
  for (let index = 0; index < rows; index++) {
    if (index % SECRET_EVERY === 7) tokens += 1;
    hash.update((index === 0 ? "" : ",") + row(index, masked));
  }
  return { digest: hash.update("]}}").digest("hex"), tokens };
}
