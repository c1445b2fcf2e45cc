import { randomUUID } from "node:crypto";
import { ALLOWED_DIFFERENCES } from "./allow-list.js";
import {
  type AllowedDifference,
  countKeys,
  type Difference,
  findDifferences,
  sortOut,
} from "./differences.js";
import { type RunningFixture, startHttpFixture } from "./fixture/http.js";
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

/** The fixture where it can be reached over each transport, and a Drawbridge that may reach it. */
export class Bench {
  readonly governed: Governed;
  /** Where the suite reaches the fixture directly. */
  readonly url: string;
  readonly #sse: string;
  readonly #stop: () => Promise<void>;

  private constructor(governed: Governed, { http, sse }: { http: RunningFixture; sse: RunningFixture }) {
    this.governed = governed;
    this.url = http.url;
    this.#sse = sse.url;
    this.#stop = async () => {
      await governed.stop();
      await Promise.all([http.stop(), sse.stop()]);
    };
  }

  static async start(bug?: PlantedBug): Promise<Bench> {
    const [http, sse] = await Promise.all([startHttpFixture(), startSseFixture()]);
    try {
      const urls = [http.url, `${new URL(sse.url).origin}/*`];
      const governed = await Governed.start({ commands: [allowed(FIXTURE_COMMAND)], urls }, bug);
      return new Bench(governed, { http, sse });
    } catch (error) {
      await Promise.all([http.stop(), sse.stop()]);
      throw error;
    }
  }

  /** Runs the suite through Drawbridge, and compares with what it said directly. */
  async run(options: Omit<CellOptions, "target">): Promise<Cell> {
    const { transport, revision } = options;
    // A new target each time: what is recorded of it is of this run alone.
    const target = `${transport}-${revision}-${randomUUID().slice(0, 8)}`;
    await this.governed.applyTarget(target, this.#reached(transport));
    return runCell(this.governed, { ...options, target });
  }

  stop(): Promise<void> {
    return this.#stop();
  }

  #reached(transport: Transport): Reached {
    const [command, ...args] = FIXTURE_COMMAND;
    switch (transport) {
      case "http":
        return { http: { url: this.url } };
      case "sse":
        return { sse: { url: this.#sse } };
      case "stdio":
        return { stdio: { command, arguments: args } };
    }
  }
}

/** Runs the suite against the fixture, directly and through Drawbridge over each transport, and compares. */
export async function runMatrix({
  revisions,
  transports,
  only,
  bug,
  say = () => undefined,
}: MatrixOptions): Promise<Cell[]> {
  say("starting Postgres, control plane and agent");
  const bench = await Bench.start(bug);
  try {
    const cells: Cell[] = [];
    for (const revision of revisions) {
      say(`${revision}: directly`);
      const direct = await testServer({ url: bench.url, revision, only });
      for (const transport of transports.filter((candidate) => isPossible(candidate, revision))) {
        say(`${revision}: through Drawbridge to ${transport}`);
        cells.push(await bench.run({ transport, revision, direct, only }));
      }
    }
    return cells;
  } finally {
    await bench.stop();
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
  const expected = direct?.checks.filter(({ scenario }) => only?.includes(scenario) ?? true);
  const all = expected === undefined ? [] : findDifferences(expected, through.checks);
  return {
    transport,
    revision,
    direct: expected && tally(expected),
    through: tally(through.checks),
    ...sortOut(all, { side: transport, revision }, ALLOWED_DIFFERENCES),
    recording,
    said: seen.filter(({ label }) => all.some(({ scenario }) => scenario === label)),
  };
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
