// `npm run check`: everything that must hold before a commit, each job with its name and time. All jobs run, so that
// one look shows all there is to mend. `-- --no-tests` leaves the unit tests out.
import path from "node:path";
import { bin, explain, node, prepareWorkspace, runQuietly, seconds, toolEnvironment } from "./workspace.mjs";

const tool = (name, ...args) => [path.join(bin, name), ...args];
const JOBS = [
  { name: "generated code", command: [node, "scripts/generate.mjs"] },
  { name: "generated code is committed", command: ["git", "diff", "--exit-code", "--stat", "libs/protocol"] },
  { name: "format", command: tool("oxfmt", "--check") },
  { name: "lint", command: tool("oxlint") },
  { name: "types", command: tool("tsc", "-b") },
  { name: "boundaries", command: tool("depcruise", "apps", "libs", "--output-type", "err-long") },
  { name: "dead code", command: tool("knip") },
  { name: "protocol", command: tool("buf", "lint") },
  { name: "unit tests", command: tool("vitest", "run", "apps", "libs", "test/architecture"), isTest: true },
];

const wanted = JOBS.filter((job) => !(job.isTest && process.argv.includes("--no-tests")));
const failed = [];
try {
  await prepareWorkspace();
  for (const job of wanted) await runJob(job);
} catch (error) {
  explain(error);
  failed.push("the build");
}
if (failed.length > 0) console.error(`\nto mend: ${failed.join(", ")}`);
process.exitCode = failed.length > 0 ? 1 : 0;

async function runJob({ name, command: [program, ...args] }) {
  const startedAt = Date.now();
  const { code, output } = await runQuietly(program, args, { env: toolEnvironment() });
  console.log(`${code === 0 ? "✓" : "✗"} ${name} (${seconds(startedAt)})`);
  if (code === 0) return;
  failed.push(name);
  console.log(output.trimEnd());
}
