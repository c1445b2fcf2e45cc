import { styleText } from "node:util";
import type { CliError } from "./errors.js";
import { block, jsonText, oneLine } from "./terminal-text.js";

/** Where text goes. `isTTY` is what Node says of a terminal. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export type Cell = string | number | boolean | null | undefined;

/** Results go to stdout, everything said beside them to stderr. Nothing reaches either without being made harmless. */
export class Output {
  readonly #stdout: TextStream;
  readonly #stderr: TextStream;
  readonly #colour: boolean;
  #hasProgress = false;

  constructor(streams: { stdout: TextStream; stderr: TextStream }, colour: boolean) {
    this.#stdout = streams.stdout;
    this.#stderr = streams.stderr;
    this.#colour = colour;
  }

  get isTerminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  line(text = ""): void {
    this.#stdout.write(`${oneLine(text)}\n`);
  }

  block(text: string): void {
    this.#stdout.write(`${block(text).replace(/\n$/, "")}\n`);
  }

  /** Exactly these characters when they go to a file or a pipe; harmless ones when somebody looks at them. */
  exact(text: string): void {
    this.#stdout.write(this.isTerminal ? `${block(text).replace(/\n$/, "")}\n` : text);
  }

  json(value: unknown): void {
    this.#stdout.write(`${jsonText(value)}\n`);
  }

  /** One value, one line. */
  jsonLine(value: unknown): void {
    this.#stdout.write(`${jsonText(value, 0)}\n`);
  }

  /** How far long work is, over the last thing said of it; undefined takes it away. Only where somebody watches. */
  progress(text: string | undefined): void {
    if (this.#stderr.isTTY !== true) return;
    this.#stderr.write(`\r\u001b[K${text === undefined ? "" : oneLine(text)}`);
    this.#hasProgress = text !== undefined;
  }

  /** Said beside the result. */
  notice(text: string): void {
    if (this.#hasProgress) this.progress(undefined);
    this.#stderr.write(`${block(text)}\n`);
  }

  /** Columns as wide as their widest cell; says so when there is nothing. */
  table(header: readonly string[], rows: readonly (readonly Cell[])[], none: string): void {
    if (rows.length === 0) return this.line(none);
    const cells = rows.map((row) => row.map((cell) => oneLine(cellText(cell))));
    const widths = header.map((name, column) =>
      Math.max(...[[...header], ...cells].map((row) => width(row[column] ?? name))),
    );
    const aligned = (row: readonly string[]): string =>
      row
        .map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - width(cell)))
        .join("  ")
        .trimEnd();
    this.#stdout.write(`${this.#styled("bold", aligned(header))}\n`);
    for (const row of cells) this.#stdout.write(`${aligned(row)}\n`);
  }

  /** Names and values below each other. */
  record(fields: Readonly<Record<string, Cell>>): void {
    for (const line of recordLines(fields)) this.line(line);
  }

  error(error: CliError): void {
    this.#stderr.write(`${this.#styled("red", "error:")} ${block(error.message)}\n`);
    for (const detail of error.details) this.#stderr.write(`  ${oneLine(detail)}\n`);
  }

  #styled(format: "bold" | "red", text: string): string {
    return this.#colour ? styleText(format, text, { validateStream: false }) : text;
  }
}

/** Names and values below each other, each line harmless and certainly one line. */
export function recordLines(fields: Readonly<Record<string, Cell>>): string[] {
  const names = Object.keys(fields);
  const column = Math.max(...names.map(width));
  return names.map((name) => oneLine(`${name.padEnd(column)}  ${cellText(fields[name])}`));
}

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined || cell === "") return "-";
  if (typeof cell === "boolean") return cell ? "yes" : "no";
  return String(cell);
}

const width = (text: string): number => Array.from(text).length;
