import { ALLOWED_DIFFERENCES } from "./allow-list.js";
import { type AllowedDifference, countKeys, type Difference, findDifferences } from "./differences.js";
import { startHttpFixture } from "./fixture/http.js";
import { startSseFixture } from "./fixture/sse.js";
import { FIXTURE_COMMAND, Governed, type PlantedBug, type Reached } from "./governed.js";
import { checkRecordings, type RecordedResult } from "./recorded.js";
import { isPossible, type Revision, type Transport } from "./revisions.js";
import type { SeenExchange } from "./shim.js";
import { type Check, type SuiteResult, testServer } from "./suite.js";

export interface MatrixOptions {
  readonly revisions: readonly Revision[];
  readonly transports: readonly Transport[];
  readonly only?: readonly string[] | undefined;
  readonly bug?: PlantedBug | undefined;
  /** One line at a time about what goes on. */
  readonly say?: ((line: string) => void) | undefined;
}

/** Numbers of one run of the suite. */
export interface Tally {
  readonly keys: number;
  readonly passed: number;
  readonly failed: number;
  /** Scenarios with a failure. */
  readonly failing: readonly string[];
}

/** One cell of the matrix: what the suite says of a target through Drawbridge, beside what it says directly. */
export interface Cell {
  readonly transport: Transport;
  readonly revision: Revision;
  /** Absent for a target that the suite cannot reach by itself. */
  readonly direct: Tally | undefined;
  readonly through: Tally;
  readonly differences: readonly Difference[];
  readonly allowed: readonly AllowedDifference[];
  readonly recording: RecordedResult;
  /** What was said over HTTP in the scenarios that differ. */
  readonly said: readonly SeenExchange[];
}

/** Runs the suite against the fixture, directly and through Drawbridge over each transport, and compares. */
export async function runMatrix(options: MatrixOptions): Promise<Cell[]> {
  const [http, sse] = [await startHttpFixture(), await startSseFixture()];
  const { say = () => undefined } = options;
  try {
    say("starting Postgres, control plane and agent");
    const governed = await Governed.start({
      allow: {
        commands: [allowed(FIXTURE_COMMAND)],
        urls: [http.url, sse.url, `${new URL(sse.url).origin}/*`],
      },
      bug: options.bug,
    });
    try {
      return await runCells(governed, { ...options, say, http: http.url, sse: sse.url });
    } finally {
      await governed.stop();
    }
  } finally {
    await Promise.all([http.stop(), sse.stop()]);
  }
}

type Running = MatrixOptions & { say: (line: string) => void; http: string; sse: string };

async function runCells(governed: Governed, options: Running): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const revision of options.revisions) {
    options.say(`${revision}: directly`);
    const direct = await testServer({ url: options.http, revision, only: options.only });
    for (const transport of options.transports.filter((candidate) => isPossible(candidate, revision))) {
      options.say(`${revision}: through Drawbridge to ${transport}`);
      // A target for each cell: what is recorded of it is this cell's alone.
      const target = `${transport}-${revision}`;
      await governed.applyTarget(target, reached(transport, options));
      cells.push(await runCell(governed, { target, transport, revision, direct, only: options.only }));
    }
  }
  return cells;
}

function reached(transport: Transport, { http, sse }: Running): Reached {
  const [command, ...args] = FIXTURE_COMMAND;
  switch (transport) {
    case "http":
      return { http: { url: http } };
    case "sse":
      return { sse: { url: sse } };
    case "stdio":
      return { stdio: { command, arguments: args } };
  }
}

export interface CellOptions {
  readonly target: string;
  readonly transport: Transport;
  readonly revision: Revision;
  readonly direct: SuiteResult | undefined;
  readonly only?: readonly string[] | undefined;
}

/** Runs the suite against one target that is registered already. */
export async function runCell(governed: Governed, options: CellOptions): Promise<Cell> {
  const { target, transport, revision, direct, only } = options;
  governed.shim.take();
  const through = await testServer({
    url: governed.urlOf(target),
    revision,
    only,
    onScenario: (scenario) => (governed.shim.label = scenario),
  });
  const seen = governed.shim.take();
  const recording = await checkRecordings(governed.system.api(), target, seen);
  const all = direct === undefined ? [] : findDifferences(direct.checks, through.checks);
  const isAllowed = (difference: Difference) => allowedBy({ transport, revision }, difference);
  return {
    transport,
    revision,
    direct: direct && tally(direct.checks),
    through: tally(through.checks),
    differences: all.filter((difference) => isAllowed(difference) === undefined),
    allowed: all.flatMap((difference) => isAllowed(difference) ?? []),
    recording,
    said: seen.filter(({ label }) => all.some(({ scenario }) => scenario === label)),
  };
}

function allowedBy(
  { transport, revision }: { transport: Transport; revision: Revision },
  { scenario, check }: Difference,
): AllowedDifference | undefined {
  return ALLOWED_DIFFERENCES.find(
    (entry) =>
      entry.transport === transport &&
      entry.revision === revision &&
      entry.scenario === scenario &&
      entry.check === check,
  );
}

function tally(checks: readonly Check[]): Tally {
  const failures = checks.filter(({ status }) => status === "FAILURE");
  return {
    keys: countKeys(checks),
    passed: checks.filter(({ status }) => status === "SUCCESS").length,
    failed: failures.length,
    failing: [...new Set(failures.map(({ scenario }) => scenario))],
  };
}

/** What the agent's configuration has to say to let this command run. */
export function allowed([command, ...args]: readonly [string, ...string[]]) {
  return { command, arguments: args };
}
