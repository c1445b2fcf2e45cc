// `pnpm fuzz`: a million mutated messages and frames over everything that reads what others send.
// `--iterations N`, `--seed S` (random unless given, and printed), `--surface NAME` (the name of one *.fuzz.test.ts).
import { randomInt } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { explain, prepareWorkspace, runInForeground } from "./workspace.mjs";

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== "--"),
  options: {
    iterations: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    surface: { type: "string" },
  },
});

const reports = mkdtempSync(path.join(os.tmpdir(), "drawbridge-fuzz-"));
process.env.FUZZ_ITERATIONS = values.iterations;
process.env.FUZZ_SEED = values.seed;
process.env.FUZZ_REPORTS = reports;
if (values.surface !== undefined) process.env.FUZZ_SURFACE = values.surface;

console.log(`fuzz: ${values.iterations} messages and frames, seed ${values.seed}`);
const startedAt = Date.now();
let exitCode = 1;
try {
  await prepareWorkspace();
  exitCode = await runInForeground([
    "node_modules/vitest/vitest.mjs",
    "run",
    "--config=vitest.fuzz.config.ts",
  ]);
} catch (error) {
  explain(error);
}
summarize(readReports());
rmSync(reports, { recursive: true });
process.exitCode = exitCode;

function readReports() {
  return readdirSync(reports).map((file) => JSON.parse(readFileSync(path.join(reports, file), "utf8")));
}

function summarize(surfaces) {
  console.log(`\n${row(["surface", "inputs", "per second", "heap warm", "heap after"])}`);
  for (const { surface, done, seconds, warmHeap, heap } of surfaces) {
    console.log(row([surface, done, Math.round(done / seconds), mebibytes(warmHeap), mebibytes(heap)]));
  }
  const total = surfaces.reduce((sum, { done }) => sum + done, 0);
  const seconds = Math.round((Date.now() - startedAt) / 1_000);
  const verdict = exitCode === 0 ? "no failure" : "FAILED";
  console.log(`fuzz: ${total} inputs, seed ${values.seed}, ${seconds} s, ${verdict}`);
}

function row(cells) {
  return cells.map((cell, index) => (index === 0 ? cell.padEnd(18) : String(cell).padStart(12))).join("");
}

function mebibytes(bytes) {
  return bytes === undefined ? "" : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
