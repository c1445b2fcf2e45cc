import { isNoSecret, sensitiveName } from "../key-names.js";
import { startsWithPlaceholder } from "../profile.js";
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

interface Table {
  readonly separator: string;
  readonly columns: number;
  readonly sensitive: ReadonlyMap<number, Finding["kind"]>;
}

/** What is known of the tables of a text at one position of it. */
export interface TableState {
  /** The table whose rows stand here. */
  readonly table?: Table | undefined;
  /** Set when the position is inside a line. */
  readonly line?: LineState | undefined;
}

/** A line of which only the beginning has been seen. */
interface LineState {
  /** The table that the line begins if it is no row. */
  readonly heads: Table | undefined;
  readonly isRule: boolean;
  readonly cell: number;
  readonly isQuoted: boolean;
}

/** The part of a text to look at. */
export interface TablePart {
  readonly from: number;
  readonly to: number;
  readonly state: TableState;
  /** The text ends there, and with it its last line. */
  readonly isLast: boolean;
}

/**
 * Tables written as text: Markdown, what psql and mysql print, CSV with any usual separator. A line of names that has a
 * sensitive one makes its column secret in the lines below, as long as they have as many columns.
 */
export function findInTables(text: string): Finding[] {
  return readTables(text, { from: 0, to: text.length, state: {}, isLast: true }).findings;
}

/**
 * The same for a text that is seen part by part. Of a line that does not end in its part it is taken for granted that
 * it has as many columns as its table: better too much than a cell that is too long to wait for.
 */
export function readTables(text: string, part: TablePart): { findings: Finding[]; state: TableState } {
  const reader = new TableReader(text, part.state);
  reader.read(part);
  return reader;
}

class TableReader {
  readonly findings: Finding[] = [];
  readonly #text: string;
  #table: Table | undefined;
  #line: LineState | undefined;

  constructor(text: string, { table, line }: TableState) {
    this.#text = text;
    this.#table = table;
    this.#line = line;
  }

  get state(): TableState {
    return { table: this.#table, line: this.#line };
  }

  read({ from, to, isLast }: Omit<TablePart, "state">): void {
    for (let at = from; at < to || (this.#line && isLast);) {
      const end = lineEnd(this.#text, at, to);
      const isWhole = end < to || isLast;
      if (isWhole && !this.#line) this.#readLine({ start: at, end });
      else this.#readPart({ start: at, end });
      if (isWhole && this.#line) this.#endLine(this.#line);
      at = end + 1;
    }
  }

  #readLine(line: Cell): void {
    if (this.#table && isRuleLine(this.#text, line)) return;
    if (this.#table) {
      const cells = cellsOf(this.#text, line, this.#table.separator);
      if (cells.length === this.#table.columns) {
        this.findings.push(...secretsOf(this.#text, cells, this.#table.sensitive));
        return;
      }
    }
    this.#table = headerAt(this.#text, line);
  }

  /** Reads a part of a line, its beginning when there is no state of it yet. */
  #readPart(part: Cell): void {
    this.#line ??= {
      heads: headerAt(this.#text, part),
      isRule: isRuleLine(this.#text, part),
      cell: 0,
      isQuoted: false,
    };
    if (this.#table && !this.#line.isRule) this.#line = this.#readCells(part, this.#table, this.#line);
  }

  #readCells({ start, end }: Cell, { separator, sensitive }: Table, line: LineState): LineState {
    let { cell, isQuoted } = line;
    let cellStart = start;
    const close = (at: number): void => {
      const kind = sensitive.get(cell);
      if (kind) this.#addPartOfCell(trimmed(this.#text, cellStart, at), kind);
      cellStart = at + 1;
    };
    for (let index = start; index < end; index++) {
      const character = this.#text[index];
      if (character === '"' && separator !== "|") isQuoted = !isQuoted;
      if (character !== separator || isQuoted) continue;
      close(index);
      cell++;
    }
    close(end);
    return { ...line, cell, isQuoted };
  }

  /** Of a secret cell that may have begun before, or may go on: only one that is masked already is left. */
  #addPartOfCell({ start, end }: Cell, kind: Finding["kind"]): void {
    if (end > start && !startsWithPlaceholder(this.#text.slice(start, Math.min(end, start + MAX_HEADER)))) {
      this.findings.push({ start, end, kind });
    }
  }

  #endLine({ cell, isRule, heads }: LineState): void {
    this.#line = undefined;
    const isRow = this.#table && (isRule || cell + 1 === this.#table.columns);
    if (!isRow) this.#table = heads;
  }
}

function headerAt(text: string, { start, end }: Cell): Table | undefined {
  return readHeader(text.slice(start, Math.min(end, start + MAX_HEADER)));
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

function secretsOf(text: string, cells: readonly Cell[], sensitive: Table["sensitive"]): Finding[] {
  return [...sensitive].flatMap(([index, kind]) => {
    const cell = cells[index];
    const value = cell && withoutQuotes(text, cell);
    return !value || isNoSecret(text.slice(value.start, value.end)) ? [] : [{ ...value, kind }];
  });
}

function isRuleLine(text: string, { start, end }: Cell): boolean {
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

function lineEnd(text: string, at: number, to: number): number {
  const end = text.indexOf("\n", at);
  return end === -1 || end > to ? to : end;
}
