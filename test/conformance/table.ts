import type { ClientResult } from "./client-scenarios.js";
import type { AllowedDifference, Difference } from "./differences.js";
import type { Cell, Tally } from "./matrix.js";

type Row = readonly string[];

/** What the runs found, for people. */
export function table(cells: readonly Cell[]): string {
  const rows: Row[] = [
    ["revision", "target", "direct", "through", "differences", "allowed", "recorded", "gaps"],
    ...cells.map((cell) => [
      cell.revision,
      cell.transport,
      cell.direct === undefined ? "-" : score(cell.direct),
      score(cell.through),
      cell.direct === undefined ? "-" : String(cell.differences.length),
      String(cell.allowed.length),
      String(cell.recording.found),
      String(cell.recording.gaps.length),
    ]),
  ];
  return aligned(rows);
}

/** Which scenarios a server fails on either way: that is its own affair, and no difference. */
export function failures(cells: readonly Cell[]): string[] {
  const line = (way: string, { revision, transport }: Cell, tally: Tally | undefined) =>
    tally === undefined || tally.failed === 0
      ? []
      : [`${revision} ${transport}  fails ${way}: ${tally.failing.join(", ")}`];
  return cells.flatMap((cell) => [
    ...line("directly", cell, cell.direct),
    ...line("through Drawbridge", cell, cell.through),
  ]);
}

/** The same for the scenarios for clients. */
export function clientTable(results: readonly ClientResult[]): string {
  return aligned([
    ["revision", "client scenario", "through", "differences", "allowed"],
    ...results.map(({ revision, scenario, passed, failed, differences, allowed }) => [
      revision,
      scenario,
      `${passed}/${failed}`,
      String(differences.length),
      String(allowed.length),
    ]),
  ]);
}

/** Each difference and each gap, one line each; nothing when there is none. */
export function findings(cells: readonly Cell[], clients: readonly ClientResult[]): string[] {
  return [
    ...cells.flatMap((cell) => ofCell(cell, `${cell.revision} ${cell.transport}`)),
    ...clients.flatMap(({ revision, differences, allowed }) => [
      ...differences.map((one) => line(`${revision} client`, one)),
      ...allowed.map((one) => allowedLine(`${revision} client`, one)),
    ]),
  ];
}

function ofCell({ differences, recording, allowed }: Cell, place: string): string[] {
  return [
    ...differences.map((difference) => line(place, difference)),
    ...recording.gaps.map(({ scenario, problem }) => `${place}  ${scenario}: ${problem}`),
    ...allowed.map((one) => allowedLine(place, one)),
  ];
}

function line(place: string, { scenario, check, direct, through, messages }: Difference): string {
  const said = messages.length === 0 ? "" : ` (${messages.join("; ").slice(0, 300)})`;
  return `${place}  ${scenario} ${check}: ${list(direct)} directly, ${list(through)} through Drawbridge${said}`;
}

function score({ passed, failed }: Tally): string {
  return `${passed}/${failed}`;
}

function allowedLine(place: string, { scenario, check, reason }: AllowedDifference): string {
  return `${place}  allowed: ${scenario} ${check}: ${reason}`;
}

function list(statuses: readonly string[]): string {
  return statuses.length === 0 ? "not made" : statuses.join("+");
}

function aligned(rows: readonly Row[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
