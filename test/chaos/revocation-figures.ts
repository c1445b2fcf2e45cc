import { ACTS, type RevocationTrial } from "./revocation-trials.js";

/** What is promised of new calls and of calls under way, 99 times of 100. */
export const LIMITS_MS = { refused: 1_000, cut: 2_000 } as const;
const ACCESS_REVOKED = -31003;

export interface Figures {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Of one kind of act, or of all. */
export interface RevocationFigures {
  readonly act: string;
  readonly trials: number;
  readonly refusedAfterMs: Figures;
  readonly cutAfterMs: Figures;
  /** Calls under way that were told so; the others heard that their session had ended. */
  readonly toldOfRevocation: number;
}

export function figuresOf(trials: readonly RevocationTrial[]): readonly RevocationFigures[] {
  const byAct = ACTS.map((act) => [act, trials.filter((trial) => trial.act === act)] as const);
  return [...byAct, ["all", trials] as const]
    .filter(([, of]) => of.length > 0)
    .map(([act, of]) => ({
      act,
      trials: of.length,
      refusedAfterMs: spread(of.map(({ refusedAfterMs }) => refusedAfterMs)),
      cutAfterMs: spread(of.map(({ cutAfterMs }) => cutAfterMs)),
      toldOfRevocation: of.filter(({ cutWith }) => cutWith === ACCESS_REVOKED).length,
    }));
}

export function areWithinLimits(figures: readonly RevocationFigures[]): boolean {
  return figures.every(
    ({ refusedAfterMs, cutAfterMs }) =>
      refusedAfterMs.p99 <= LIMITS_MS.refused && cutAfterMs.p99 <= LIMITS_MS.cut,
  );
}

export function revocationTable(title: string, figures: readonly RevocationFigures[]): string {
  const head = ["", "trials", "p50", "p99", "max", "p50", "p99", "max", "told so"];
  const rows = figures.map(({ act, trials, refusedAfterMs, cutAfterMs, toldOfRevocation }) => [
    act,
    String(trials),
    ...cells(refusedAfterMs),
    ...cells(cutAfterMs),
    String(toldOfRevocation),
  ]);
  const over = [title, "", "new calls refused", "", "", "in flight cut", "", "", ""];
  return [over, head, ...rows].map(row).join("\n");
}

/** The nearest rank, so that p99 of few trials is the worst of them. */
function spread(values: readonly number[]): Figures {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = (share: number) => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN);
  return { p50: rank(0.5), p99: rank(0.99), max: rank(1) };
}

function cells({ p50, p99, max }: Figures): string[] {
  return [p50, p99, max].map((ms) => `${ms} ms`);
}

function row(columns: readonly string[]): string {
  return columns
    .map((cell, index) => (index === 0 ? cell.padEnd(28) : cell.padStart(18)))
    .join("")
    .trimEnd();
}
