// `npm test`: every test, or those whose path is given (`npm test -- libs/mcp`). The last line counts them.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { summarize } from "./test-summary.mjs";
import { explain, prepareWorkspace, runInForeground } from "./workspace.mjs";

const scratch = mkdtempSync(path.join(os.tmpdir(), "drawbridge-test-report-"));
const reportFile = path.join(scratch, "report.json");

let exitCode = 1;
try {
  await prepareWorkspace();
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${reportFile}`];
  const args = ["node_modules/vitest/vitest.mjs", "run", ...reporters, ...process.argv.slice(2)];
  exitCode = await runInForeground(args);
} catch (error) {
  explain(error);
}

const summary = summarize(readReport(), exitCode);
rmSync(scratch, { recursive: true });
console.log(summary.line);
process.exitCode = summary.exitCode;

function readReport() {
  try {
    return JSON.parse(readFileSync(reportFile, "utf8"));
  } catch {
    return undefined; // the run did not get as far as its report
  }
}
