import type { Era, LoadOutcome } from "./load-generator.js";
import { percentile } from "./percentile.js";

/** What was measured together. */
export interface Measured {
  readonly name: string;
  readonly era: Era;
  readonly sessions: number;
}

/** What one case did with one number of sessions, over all rounds. */
export interface CaseResult extends Measured {
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMb: number;
}

/** What one part of a case used. */
export interface PartResult extends Measured {
  readonly part: string;
  readonly rssMb: number;
  /** Processor time per call, in microseconds. */
  readonly cpuMicros: number;
}

export interface Round {
  readonly outcome: LoadOutcome;
  readonly parts: readonly PartUsage[];
}

export interface PartUsage {
  readonly name: string;
  /** The target or the load generator: not part of what is measured. */
  readonly isHarness: boolean;
  readonly rssMb: number;
  readonly cpuSeconds: number;
}

/** The rounds of one case as one: all calls over all of the time, percentiles over all calls, the most memory seen. */
export function combine(measured: Measured, rounds: readonly Round[]): CaseResult {
  const latencies = Float64Array.from(rounds.flatMap(({ outcome }) => [...outcome.latenciesMs])).sort();
  const elapsedMs = rounds.reduce((sum, { outcome }) => sum + outcome.elapsedMs, 0);
  return {
    ...measured,
    callsPerSecond: latencies.length / (elapsedMs / 1_000),
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    rssMb: Math.max(...rounds.map(({ parts }) => memoryOf(parts.filter(({ isHarness }) => !isHarness)))),
  };
}

function memoryOf(parts: readonly PartUsage[]): number {
  return parts.reduce((sum, { rssMb }) => sum + rssMb, 0);
}

export function combineParts(measured: Measured, rounds: readonly Round[]): PartResult[] {
  const calls = rounds.reduce((sum, { outcome }) => sum + outcome.latenciesMs.length, 0);
  const names = new Set(rounds.flatMap(({ parts }) => parts.map((part) => part.name)));
  return [...names].map((part) => {
    const each = rounds.flatMap(({ parts }) => parts.filter((one) => one.name === part));
    const cpuSeconds = each.reduce((sum, one) => sum + one.cpuSeconds, 0);
    return {
      ...measured,
      part,
      rssMb: Math.max(...each.map(({ rssMb }) => rssMb)),
      cpuMicros: (cpuSeconds * 1e6) / calls,
    };
  });
}
