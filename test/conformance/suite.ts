import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { spawnGuarded } from "@drawbridge/embedded";
import { z } from "zod";
import { programs } from "../e2e/programs.js";
import { HAS_REQUIREMENTS, type Revision } from "./revisions.js";

// The package is a program and names no entry to import.
const require = createRequire(import.meta.url);
const MANIFEST = require.resolve("@modelcontextprotocol/conformance/package.json");
const SUITE = path.join(path.dirname(MANIFEST), "dist/index.js");
const LOOPBACK_PRELOAD = path.join(import.meta.dirname, "loopback-preload.mjs");
const PATIENCE_MS = 180_000;
const SCENARIO_LINE = /^=== Running scenario: (\S+) ===$/;
const EXTENSION_SCENARIO = /^(?:tasks|sep-2640)-/;
// <kind>-<scenario>-<time>; without the kind for scenarios of clients.
const RESULT_FOLDER = /^(.+)-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z$/;

const Checks = z.array(z.object({ id: z.string(), status: z.string(), errorMessage: z.string().optional() }));

export interface Check {
  readonly scenario: string;
  readonly id: string;
  /** SUCCESS, FAILURE, WARNING, SKIPPED or INFO. */
  readonly status: string;
  readonly message?: string | undefined;
}

export interface ServerRun {
  readonly url: string;
  readonly revision: Revision;
  /** Only these scenarios; without it all that the revision requires, and those it only reports. */
  readonly only?: readonly string[] | undefined;
  /** Called when a scenario begins. */
  readonly onScenario?: ((scenario: string) => void) | undefined;
}

export interface SuiteResult {
  readonly checks: readonly Check[];
  /** What the suite itself says: 0 when everything required has passed. */
  readonly exitCode: number;
}

/** Runs the scenarios for servers against a URL. @throws when the suite itself fails */
export async function testServer(run: ServerRun): Promise<SuiteResult> {
  const { revision, only, onScenario = () => undefined } = run;
  const server = ["server", "--url", run.url];
  const runs = only?.map((scenario) => one(scenario, revision));
  return inScratch(async (scratch) => {
    let exitCode = 0;
    for (const selection of runs ?? [whole(revision)]) {
      if (selection[0] === "--scenario") onScenario(selection[1] ?? "");
      const onLine = (line: string) => {
        const scenario = SCENARIO_LINE.exec(line)?.[1];
        if (scenario !== undefined) onScenario(scenario);
      };
      exitCode = Math.max(exitCode, await runSuite([...server, ...selection, "-o", scratch], { onLine }));
    }
    return { checks: await readChecks(scratch, "server-"), exitCode };
  });
}

export interface ClientRun {
  /** Started by the suite for one scenario, with the URL of the scenario's server as its last argument. */
  readonly command: string;
  readonly scenario: string;
  readonly revision: Revision;
  /** What the command finds in its environment, beside what the suite puts there. */
  readonly environment: Record<string, string>;
}

/** Runs one scenario for clients. */
export async function testClient(run: ClientRun): Promise<SuiteResult> {
  const { command, scenario, revision, environment } = run;
  return inScratch(async (scratch) => {
    const selection = ["--scenario", scenario, "--spec-version", revision];
    const args = ["client", "--command", command, ...selection, "-o", scratch];
    // The suite's own servers would listen on every interface.
    const exitCode = await runSuite(args, { environment, preload: LOOPBACK_PRELOAD });
    return { checks: await readChecks(scratch, ""), exitCode };
  });
}

/** An extension belongs to no revision, so the suite leaves its scenarios out unless it is forced. */
function one(scenario: string, revision: Revision): string[] {
  const isExtension = revision === "2026-07-28" && EXTENSION_SCENARIO.test(scenario);
  return ["--scenario", scenario, "--spec-version", revision, ...(isExtension ? ["--force"] : [])];
}

function whole(revision: Revision): string[] {
  return HAS_REQUIREMENTS.has(revision)
    ? ["--requirements", revision]
    : ["--suite", "all", "--spec-version", revision];
}

async function inScratch<T>(work: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(path.join(os.tmpdir(), "drawbridge-conformance-"));
  try {
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function runSuite(
  args: readonly string[],
  {
    onLine = () => undefined,
    environment = {},
    preload,
  }: { onLine?: (line: string) => void; environment?: Record<string, string>; preload?: string },
): Promise<number> {
  const lines: string[] = [];
  const child = await spawnGuarded({
    command: programs.node,
    args: [...(preload === undefined ? [] : ["--import", preload]), SUITE, ...args],
    cwd: os.tmpdir(),
    env: { PATH: "/usr/bin:/bin", HOME: os.tmpdir(), ...environment },
    stopSignal: "TERM",
    onLine: (line) => {
      lines.push(line);
      onLine(line);
    },
  });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    void child.stop(1_000);
  }, PATIENCE_MS);
  const { code } = await child.exited;
  clearTimeout(timer);
  // 1 is what it ends with when a check has failed; the reports say which.
  if (isLate || code > 1) {
    throw new Error(`the conformance suite ended with ${code}:\n${lines.slice(-20).join("\n")}`);
  }
  return code;
}

/** For a scenario that left none: it does not apply, or broke down. On one way only that is a difference. */
const NO_REPORT = JSON.stringify([{ id: "no-report", status: "SKIPPED" }]);

async function readChecks(scratch: string, kind: string): Promise<Check[]> {
  const checks: Check[] = [];
  for (const folder of (await readdir(scratch)).toSorted()) {
    const scenario = RESULT_FOLDER.exec(folder)?.[1]?.slice(kind.length);
    if (scenario === undefined) continue;
    const report = await readFile(path.join(scratch, folder, "checks.json"), "utf8").catch(() => NO_REPORT);
    checks.push(
      ...Checks.parse(JSON.parse(report)).map(({ id, status, errorMessage }) => ({
        scenario,
        id,
        status,
        message: errorMessage,
      })),
    );
  }
  return checks;
}
