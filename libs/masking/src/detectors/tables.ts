import { isNoSecret, sensitiveName } from "../key-names.js";
import type { Finding } from "./detector.js";

/** Separators of columns, the most telling first. */
const SEPARATORS = ["|", "\t", ";", ","] as const;
const MAX_HEADER = 4096;
const MAX_COLUMNS = 200;
const RULE_LINE = /^[\s|+:=-]*$/;
/** One word or two: three between commas are a sentence more often than a name. */
const COLUMN_NAME = /^["'`]?[A-Za-z_][\w.-]{0,63}(?: [\w.-]{1,63})?["'`]?$/;

interface Cell {
  readonly start: number;
  readonly end: number;
}

/**
 * Tables written as text: Markdown, what psql and mysql print, CSV with any usual separator. A line of names that has a
 * sensitive one makes its column secret in the lines below, as long as they have as many columns.
 */
export function findInTables(text: string): Finding[] {
  const findings: Finding[] = [];
  for (let at = 0; at < text.length;) {
    const header = text.slice(at, Math.min(lineEnd(text, at), at + MAX_HEADER));
    const table = readHeader(header);
    at = lineEnd(text, at) + 1;
    if (table) at = readRows(text, { at, table, findings });
  }
  return findings;
}

interface Table {
  readonly separator: string;
  readonly columns: number;
  readonly sensitive: ReadonlyMap<number, Finding["kind"]>;
}

function readHeader(line: string): Table | undefined {
  const separator = SEPARATORS.find((candidate) => line.includes(candidate));
  if (separator === undefined) return undefined;
  const cells = cellsOf(line, { start: 0, end: line.length }, separator);
  if (cells.length < 2 || cells.length > MAX_COLUMNS) return undefined;
  const names = cells.map(({ start, end }) => line.slice(start, end));
  if (!names.every((name) => COLUMN_NAME.test(name) || (separator === "|" && name === ""))) return undefined;
  const sensitive = new Map<number, Finding["kind"]>();
  for (const [index, name] of names.entries()) {
    const found = sensitiveName(name.replaceAll(/["'`]/g, ""));
    if (found) sensitive.set(index, found.kind);
  }
  return sensitive.size === 0 ? undefined : { separator, columns: cells.length, sensitive };
}

/** Reads rows until a line is none; gives where that line starts. */
function readRows(
  text: string,
  { at, table, findings }: { at: number; table: Table; findings: Finding[] },
): number {
  let start = at;
  while (start < text.length) {
    const end = lineEnd(text, start);
    if (!isRuleLine(text, start, end)) {
      const cells = cellsOf(text, { start, end }, table.separator);
      if (cells.length !== table.columns) return start;
      findings.push(...secretsOf(text, cells, table.sensitive));
    }
    start = end + 1;
  }
  return start;
}

function secretsOf(text: string, cells: readonly Cell[], sensitive: Table["sensitive"]): Finding[] {
  return [...sensitive].flatMap(([index, kind]) => {
    const cell = cells[index];
    const value = cell && withoutQuotes(text, cell);
    return !value || isNoSecret(text.slice(value.start, value.end)) ? [] : [{ ...value, kind }];
  });
}

function isRuleLine(text: string, start: number, end: number): boolean {
  return end > start && RULE_LINE.test(text.slice(start, Math.min(end, start + MAX_HEADER)));
}

/** The cells of a line without the white space around them; a separator inside double quotes parts nothing. */
function cellsOf(text: string, { start, end }: Cell, separator: string): Cell[] {
  const cells: Cell[] = [];
  let cellStart = start;
  let isQuoted = false;
  for (let index = start; index <= end && cells.length <= MAX_COLUMNS; index++) {
    const character = text[index];
    if (character === '"' && separator !== "|") isQuoted = !isQuoted;
    if (index === end || (character === separator && !isQuoted)) {
      cells.push(trimmed(text, cellStart, index));
      cellStart = index + 1;
    }
  }
  return cells;
}

function trimmed(text: string, from: number, to: number): Cell {
  let start = from;
  let end = to;
  while (start < end && isSpace(text[start])) start++;
  while (end > start && isSpace(text[end - 1])) end--;
  return { start, end };
}

function withoutQuotes(text: string, { start, end }: Cell): Cell {
  const isQuoted = end - start >= 2 && text[start] === '"' && text[end - 1] === '"';
  return isQuoted ? { start: start + 1, end: end - 1 } : { start, end };
}

function isSpace(character: string | undefined): boolean {
  return character === " " || character === "\r" || character === "\t";
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end === -1 ? text.length : end;
}
