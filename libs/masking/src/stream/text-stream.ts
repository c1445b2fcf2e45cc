import { readTables, type TableState } from "../detectors/tables.js";
import { applyEdits, type Edit } from "../edits.js";
import type { Scan } from "../scan.js";
import { placeholder, type Kind } from "../profile.js";
import { isHighSurrogate, type Sink } from "./sink.js";
import type { Windows } from "./windows.js";

/** So much of what was passed on is kept, masked, for what is said right before a place: names, the user of a URL. */
export const CONTEXT = 512;
/** A candidate that ends closer to the end of what is known may go on: brackets and full stops are left at its end. */
const UNDECIDED = 64;
const KEY_END = "-----END";
const INSIDE_LINE: TableState = { line: { heads: undefined, isRule: false, cell: 0, isQuoted: false } };

export interface TextStreamOptions {
  readonly scan: Scan;
  readonly sink: Sink;
  readonly windows: Windows;
  /** What stands before the text, masked. */
  readonly context?: string;
}

/**
 * Masks a text of any length segment by segment. A segment is cut at the end of a line, at a blank or anywhere, but
 * never within anything to be masked, and only where `ahead` characters behind the cut have been seen, so what may
 * become a secret is seen whole. What is longer than a segment and `ahead` together (a key without its end line, a
 * value without its closing quote) is dropped while it comes: of the candidate its head and its tail are kept and
 * looked at together with what follows, which tells where it ends.
 */
export class TextStream {
  readonly #scan: Scan;
  readonly #sink: Sink;
  readonly #windows: Windows;
  /** Context up to `#from`, then what is still to be decided on. */
  #text: string;
  #from: number;
  #tables: TableState = {};
  #maskedTables: TableState = {};
  /** A placeholder has been written for what stands right before `#from`, and the same secret may go on behind it. */
  #isOpen = false;
  /** Set while a candidate is being dropped: the context is its raw head and tail. */
  #dropping: Dropping | undefined;
  #hasKeyEnd = false;
  #reachesEnd = false;

  constructor({ scan, sink, windows, context = "" }: TextStreamOptions) {
    this.#scan = scan;
    this.#sink = sink;
    this.#windows = windows;
    this.#text = context;
    this.#from = context.length;
  }

  push(text: string): void {
    this.#text += text;
    while (this.#text.length - this.#from >= this.#windows.segment + this.#windows.ahead) this.#step(false);
  }

  /** Whether the text ends within a private key that has no last line. */
  end(): { readonly leavesKeyOpen: boolean } {
    while (this.#from < this.#text.length) this.#step(true);
    return { leavesKeyOpen: this.#reachesEnd && !this.#hasKeyEnd };
  }

  #step(isLast: boolean): void {
    this.#hasKeyEnd ||= this.#text.includes(KEY_END);
    if (this.#dropping) this.#drop(this.#dropping, isLast);
    else this.#mask(isLast);
  }

  #mask(isLast: boolean): void {
    const text = this.#text;
    const from = this.#from;
    const tables = { tables: this.#tables, maskedTables: this.#maskedTables };
    const { edits, sawName } = this.#scan.segment({ text, from, ...tables, isLast });
    const cut = isLast ? { at: text.length, isOpen: false } : this.#cut(edits);
    const before = edits.filter(({ start }) => start < cut.at);
    const last = before.at(-1);
    this.#reachesEnd = last?.kind === "private-key" && last.end === text.length;
    const masked = maskedRange(text, { from, to: cut.at, edits: before, isOpen: this.#isOpen });
    this.#tables = tablesAfter(text, { from, to: cut.at, state: this.#tables, sawName });
    this.#maskedTables = tablesAfter(masked, {
      from: 0,
      to: masked.length,
      state: this.#maskedTables,
      sawName,
    });
    emitRange(this.#sink, text, { from, to: cut.at, edits: before, isOpen: this.#isOpen });
    this.#isOpen = cut.isOpen;
    if (cut.isOpen && last)
      this.#goOnDropping({ headEnd: from + this.#windows.head, kind: last.kind }, cut.at);
    else this.#keepContext(masked.length < 2 * CONTEXT ? text.slice(0, from) + masked : masked, cut.at);
  }

  #drop(dropping: Dropping, isLast: boolean): void {
    const text = this.#text;
    const from = this.#from;
    const end = this.#scan.endOfOpen(text, from);
    const at = end ?? from;
    this.#tables = tablesAfter(text, { from, to: at, state: this.#tables, sawName: false });
    this.#sink.replace(text.slice(from, at), undefined);
    this.#reachesEnd = dropping.kind === "private-key" && end === text.length;
    if (end !== undefined && !isLast && end > text.length - UNDECIDED) {
      this.#goOnDropping(dropping, end);
      return;
    }
    // Nothing was found to go on where the cell of a table does, which only the look at the rest tells.
    this.#isOpen = end === undefined;
    this.#dropping = undefined;
    this.#keepContext(placeholder(dropping.kind), at);
  }

  /** Where what has been decided on ends; `isOpen` when it ends within a secret that goes on. */
  #cut(edits: readonly Edit[]): { at: number; isOpen: boolean } {
    const from = this.#from;
    let at = this.#calmPlace();
    let across = acrossOf(edits, at);
    if (across && across.start > from) {
      at = this.#text.lastIndexOf("\n", across.start - 1) + 1;
      if (at <= from || acrossOf(edits, at)) at = across.start;
      across = acrossOf(edits, at);
    }
    if (!across) return { at, isOpen: false };
    if (across.start > from) return { at: across.start, isOpen: false };
    return { at: across.end, isOpen: across.end > this.#text.length - UNDECIDED };
  }

  /** The last line end that enough is known behind of, or blank when that is far back. */
  #calmPlace(): number {
    const from = this.#from;
    const latest = this.#text.length - this.#windows.ahead;
    const line = this.#text.lastIndexOf("\n", latest - 1) + 1;
    if (line > from) return line;
    const blank = this.#text.lastIndexOf(" ", latest - 1) + 1;
    if (blank > from + this.#windows.segment / 2) return blank;
    return isHighSurrogate(this.#text, latest - 1) ? latest - 1 : latest;
  }

  #keepContext(before: string, at: number): void {
    const context = contextOf(before);
    this.#text = context + this.#text.slice(at);
    this.#from = context.length;
  }

  /** What is left out between head and tail is of even length, so that backslashes still pair up. */
  #goOnDropping(dropping: Dropping, at: number): void {
    const { headEnd } = dropping;
    const tail = at - this.#windows.head / 8;
    const tailStart = tail - ((tail - headEnd) & 1);
    const kept =
      tailStart <= headEnd
        ? this.#text.slice(0, at)
        : this.#text.slice(0, headEnd) + this.#text.slice(tailStart, at);
    this.#text = kept + this.#text.slice(at);
    this.#from = kept.length;
    this.#dropping = dropping;
  }
}

interface Dropping {
  /** Where the head of the candidate, which is kept, ends. */
  readonly headEnd: number;
  readonly kind: Kind;
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly edits: readonly Edit[];
  readonly isOpen: boolean;
}

/** Emits a range of a text; with `isOpen` an edit at its very start goes on with the placeholder written last. */
function emitRange(sink: Sink, text: string, { from, to, edits, isOpen }: Range): void {
  let position = from;
  for (const edit of edits) {
    if (edit.start > position) sink.keep(text.slice(position, edit.start));
    sink.replace(text.slice(edit.start, edit.end), isOpen && edit.start === from ? undefined : edit);
    position = edit.end;
  }
  if (position < to) sink.keep(text.slice(position, to));
}

/** The range as it is emitted. */
function maskedRange(text: string, { from, to, edits, isOpen }: Range): string {
  const range = text.slice(from, to);
  const shifted = edits.map((edit) => ({ ...edit, start: edit.start - from, end: edit.end - from }));
  const [first, ...others] = shifted;
  return isOpen && first?.start === 0
    ? applyEdits(range, others).slice(first.end)
    : applyEdits(range, shifted);
}

interface TableRange {
  readonly from: number;
  readonly to: number;
  readonly state: TableState;
  readonly sawName: boolean;
}

/** What is known of tables behind a range of a text. */
function tablesAfter(text: string, { from, to, state, sawName }: TableRange): TableState {
  if (sawName || state.table || state.line) return readTables(text, { from, to, state, isLast: false }).state;
  return to === from || text[to - 1] === "\n" ? state : INSIDE_LINE;
}

function acrossOf(edits: readonly Edit[], at: number): Edit | undefined {
  return edits.find(({ start, end }) => start < at && end > at);
}

/** The end of a text, from the start of a word if there is one. */
function contextOf(text: string): string {
  const start = text.length - CONTEXT;
  if (start <= 0) return text;
  const [blanks] = /\s\S*$/.exec(text.slice(Math.max(0, start - CONTEXT), start)) ?? [];
  return text.slice(blanks === undefined ? start : start - blanks.length + 1);
}
