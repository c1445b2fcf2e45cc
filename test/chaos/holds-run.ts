import { parseArgs } from "node:util";
import { holdsTable, measureHolds } from "./holds.js";
import type { Output } from "./revocation.js";

/** `pnpm chaos holds [--minutes 5] [--json]`. Resolves with the exit code: 1 where a call that was approved did not run. */
export async function runHolds(args: readonly string[], output: Output): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { minutes: { type: "string", default: "5" }, json: { type: "boolean", default: false } },
  });
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Error("--minutes must be a positive number");
  const trials = await measureHolds(minutes);
  for (const { client, outcome, says = "" } of trials)
    if (outcome === "failed") output.say(`${client} failed: ${says}`);
  output.write(`${values.json ? JSON.stringify(trials, null, 2) : holdsTable(trials)}\n`);
  return trials.every(({ outcome }) => outcome === "answered") ? 0 : 1;
}
