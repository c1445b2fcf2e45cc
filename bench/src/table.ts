import type { BenchResult } from "./bench.js";
import type { CaseResult } from "./measurement.js";

type Align = "left" | "right";

/** Lines with aligned columns: the first column to the left, numbers to the right. */
export function columns(
  rows: readonly (readonly string[])[],
  align: (index: number) => Align = (index) => (index === 0 ? "left" : "right"),
): string {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, index) =>
          align(index) === "left" ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The first `count` columns are words, the others numbers. */
function words(count: number): (index: number) => Align {
  return (index) => (index < count ? "left" : "right");
}

/** What people read: the cases, the ratios that matter, and what each process used. */
export function describe({ cases, parts }: BenchResult): string {
  const table = columns(
    [
      ["case", "era", "clients", "calls/s", "p50 ms", "p99 ms", "RSS MB"],
      ...cases.map(({ name, era, sessions, callsPerSecond, p50Ms, p99Ms, rssMb }) => [
        name,
        era,
        String(sessions),
        callsPerSecond.toFixed(0),
        p50Ms.toFixed(2),
        p99Ms.toFixed(2),
        rssMb === 0 ? "" : rssMb.toFixed(0),
      ]),
    ],
    words(2),
  );
  const processes = columns(
    [
      ["process of", "part", "era", "clients", "RSS MB", "CPU µs a call"],
      ...parts.map(({ name, part, era, sessions, rssMb, cpuMicros }) => [
        name,
        part,
        era,
        String(sessions),
        rssMb.toFixed(0),
        cpuMicros.toFixed(0),
      ]),
    ],
    words(3),
  );
  return [table, ratios(cases), processes].filter(Boolean).join("\n\n");
}

/** What the project promises: half of nginx' throughput, at most 1 ms over direct. */
function ratios(cases: readonly CaseResult[]): string {
  const lines: string[] = [];
  for (const drawbridge of cases.filter(({ name }) => name === "drawbridge")) {
    const { era, sessions } = drawbridge;
    const beside = (name: string): CaseResult | undefined =>
      cases.find((each) => each.name === name && each.era === era && each.sessions === sessions);
    for (const name of ["nginx", "node"]) {
      const other = beside(name);
      if (!other) continue;
      const ratio = (drawbridge.callsPerSecond / other.callsPerSecond).toFixed(2);
      lines.push(`drawbridge / ${name}, calls/s with ${sessions} ${era} clients: ${ratio}`);
    }
    const direct = beside("direct");
    if (!direct) continue;
    const over = (drawbridge.p50Ms - direct.p50Ms).toFixed(2);
    lines.push(`drawbridge - direct, p50 with ${sessions} ${era} clients: ${over} ms`);
  }
  return lines.join("\n");
}
