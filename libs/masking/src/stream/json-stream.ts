import { mergeEdits, type Edit } from "../edits.js";
import {
  JsonWalk,
  PRIVATE_KEY,
  ROLES,
  type JsonScanOptions,
  type Place,
  MAX_LABEL,
} from "../json-scanner.js";
import { readString, unescapeString } from "../json-strings.js";
import type { SensitiveName } from "../key-names.js";
import { startsWithPlaceholder } from "../profile.js";
import { memberPosition } from "../protocol-fields.js";
import { UnmaskableError } from "../unmaskable.js";
import { Lookahead } from "./lookahead.js";
import { NOTHING_EXPECTED, OpenMembers, type Expectation, type Seen } from "./open-members.js";
import {
  OpaqueString,
  ScannedString,
  SecretString,
  type RawString,
  type ValueStream,
} from "./raw-strings.js";
import type { Sink } from "./sink.js";
import { CONTEXT } from "./text-stream.js";
import type { Windows } from "./windows.js";

export interface JsonStreamOptions {
  readonly sink: Sink;
  readonly windows: Windows;
  readonly scan: JsonScanOptions;
  /** Opens the stream for the value of a string that is too long to be looked at whole. */
  readonly openValue: (sink: Sink) => ValueStream;
}

/** Waits for more text at each `yield`. */
type Reading<Result> = Generator<void, Result, void>;

const SCALAR = /[-+.0-9A-Za-z]*/y;

/** The text is no JSON document. Says nothing else, so one is enough. */
class NotJson extends Error {}
const NOT_JSON = new NotJson();

/**
 * Walks through a JSON document of any size. A value that fits into the window is read whole, by the same walk as a
 * small message: with its surroundings' names and its own. Of a larger one the beginning is passed on and its members,
 * items or characters are taken one by one.
 *
 * A document that turns out to be none (it is cut off, or more follows) has been masked as one up to a position that
 * `rest` begins at, and that only: what a text scan of all of it would have found there in addition (a number after the
 * name of a password, a secret in a member's name) stays.
 */
export class JsonStream {
  readonly #sink: Sink;
  readonly #windows: Windows;
  readonly #scan: JsonScanOptions;
  readonly #openValue: (sink: Sink) => ValueStream;
  readonly #ahead: Lookahead;
  readonly #reading: Reading<void>;
  #walk: JsonWalk;
  #text = "";
  /** Position of `#text` in the document. */
  #base = 0;
  #at = 0;
  /** What is before is decided on. */
  #settled = 0;
  #isEnded = false;
  #isValid = true;
  #passedOn = "";

  constructor({ sink, windows, scan, openValue }: JsonStreamOptions) {
    this.#sink = sink;
    this.#windows = windows;
    this.#scan = scan;
    this.#openValue = openValue;
    this.#ahead = new Lookahead(scan.maxDepth + 1);
    this.#walk = new JsonWalk("", scan);
    this.#reading = this.#document();
  }

  /** False when what came so far begins no JSON document. */
  push(text: string): boolean {
    if (text === "") return this.#isValid;
    this.#ahead.read(text);
    this.#setText(this.#text + text, this.#walk.edits);
    return this.#goOn();
  }

  end(): boolean {
    this.#isEnded = true;
    return this.#goOn();
  }

  /** What has not been passed on, and the masked text before, of a document that is none. */
  rest(): { readonly context: string; readonly text: string } {
    return { context: this.#walk.isKeyOpen ? KEY_CONTEXT : this.#passedOn, text: this.#text };
  }

  #goOn(): boolean {
    if (!this.#isValid) return false;
    try {
      this.#reading.next();
    } catch (error) {
      if (!(error instanceof NotJson)) throw error;
      this.#isValid = false;
    }
    this.#passOn();
    return this.#isValid;
  }

  *#document(): Reading<void> {
    const { root: position } = this.#scan;
    yield* this.#peek();
    yield* this.#value({ position, sensitive: undefined, depth: 0 }, NOTHING_EXPECTED);
    for (;;) {
      this.#skipSpace();
      if (this.#at < this.#text.length) throw NOT_JSON;
      if (this.#isEnded) break;
      yield* this.#more();
    }
    this.#settled = this.#at;
  }

  *#value(place: Place, expected: Expectation): Reading<Seen> {
    const first = this.#text.charAt(this.#at);
    const isWhole = this.#isWhole(place.depth) || (yield* this.#becomesWhole(place.depth));
    if (isWhole) return this.#wholeValue(place, expected);
    switch (first) {
      case "{":
        yield* this.#object(place);
        return { first };
      case "[":
        return yield* this.#array(place, expected);
      case '"':
        yield* this.#string(place, expected);
        return { first };
      default:
        throw this.#scan.root ? new UnmaskableError("too_large") : NOT_JSON;
    }
  }

  #wholeValue(place: Place, { cell, row, rows }: Expectation): Seen {
    const start = this.#at;
    const end = this.#walk.value(start, place);
    if (end === -1) throw NOT_JSON;
    const whole = { start, end };
    if (cell) this.#walk.maskCell(whole, cell);
    if (row) this.#walk.maskRow(whole, row);
    if (rows) this.#walk.maskRows(whole, rows);
    this.#at = end;
    return { first: this.#text.charAt(start), whole };
  }

  /** Whether the value here, inside so many containers, is known to its end. */
  #isWhole(depth: number): boolean {
    const first = this.#text.charAt(this.#at);
    if (first === "{" || first === "[" || first === '"')
      return !this.#ahead.isOpen(this.#base + this.#at, depth);
    return this.#endOfScalar() < this.#text.length || this.#isEnded;
  }

  *#becomesWhole(depth: number): Reading<boolean> {
    while (!this.#isWhole(depth)) {
      if (this.#text.length - this.#at >= this.#windows.value) return false;
      yield* this.#more();
    }
    return true;
  }

  #endOfScalar(): number {
    SCALAR.lastIndex = this.#at;
    SCALAR.test(this.#text);
    return SCALAR.lastIndex;
  }

  *#object(place: Place): Reading<void> {
    this.#enter(place);
    const members = place.position ? undefined : new OpenMembers();
    let next = yield* this.#peek();
    if (next === "}") this.#at++;
    while (next !== "}") {
      this.#settled = this.#at;
      yield* this.#member(place, members);
      next = yield* this.#peek();
      if (next !== "," && next !== "}") throw NOT_JSON;
      this.#at++;
      if (next === ",") next = yield* this.#nextMember();
    }
    this.#walk.isKeyOpen = false;
    this.#settled = this.#at;
  }

  *#nextMember(): Reading<string> {
    this.#settled = this.#at;
    return (yield* this.#peek()) === '"' ? '"' : fail();
  }

  *#member(place: Place, members: OpenMembers | undefined): Reading<void> {
    const name = yield* this.#name(place.depth + 1);
    if ((yield* this.#peek()) !== ":") throw NOT_JSON;
    this.#at++;
    yield* this.#peek();
    const position = memberPosition(place.position, name);
    const inherited = ROLES.get(name) === "value" ? place.sensitive : undefined;
    const sensitive = position ? undefined : (this.#walk.sensitiveName(name) ?? inherited);
    const expected = members?.expect(name) ?? NOTHING_EXPECTED;
    const seen = yield* this.#value({ position, sensitive, depth: place.depth + 1 }, expected);
    members?.note(name, seen, this.#walk);
  }

  *#name(depth: number): Reading<string> {
    if (this.#text.charAt(this.#at) !== '"') throw NOT_JSON;
    if (!this.#isWhole(depth) && !(yield* this.#becomesWhole(depth))) {
      throw this.#scan.root ? new UnmaskableError("too_large") : NOT_JSON;
    }
    const end = readString(this.#text, this.#at)?.end ?? fail();
    const name = this.#walk.stringAt({ start: this.#at, end }) ?? fail();
    this.#at = end;
    return name;
  }

  *#array(place: Place, expected: Expectation): Reading<Seen> {
    this.#enter(place);
    const item = { position: place.position?.items, sensitive: place.sensitive, depth: place.depth + 1 };
    const items = new OpenItems(expected);
    this.#walk.isKeyOpen = false;
    let isInsideKey = false;
    let next = yield* this.#peek();
    if (next === "]") this.#at++;
    while (next !== "]") {
      this.#settled = this.#at;
      const seen = yield* this.#item(item, { items, isInsideKey });
      items.note(seen, this.#walk);
      isInsideKey = this.#walk.isKeyOpen;
      next = yield* this.#peek();
      if (next !== "," && next !== "]") throw NOT_JSON;
      this.#at++;
      if (next === ",") next = yield* this.#nextItem();
    }
    this.#settled = this.#at;
    return { first: "[", hasArrays: items.hasArrays, columns: items.columns };
  }

  *#nextItem(): Reading<string> {
    this.#settled = this.#at;
    return (yield* this.#peek()) === "]" ? fail() : "";
  }

  *#item(item: Place, { items, isInsideKey }: { items: OpenItems; isInsideKey: boolean }): Reading<Seen> {
    const first = this.#text.charAt(this.#at);
    if (isInsideKey && first === '"') {
      yield* this.#lineOfKey(item);
      return { first };
    }
    const { label } = items;
    const isNamed = label !== undefined && (yield* this.#isLast(item.depth));
    return yield* this.#value(item, isNamed ? { cell: label } : items.expect());
  }

  *#lineOfKey(item: Place): Reading<void> {
    if (this.#isWhole(item.depth) || (yield* this.#becomesWhole(item.depth))) {
      const end = this.#walk.lineOfKey(this.#at, item);
      if (end === -1) throw NOT_JSON;
      this.#at = end;
    } else {
      yield* this.#string({ ...item, sensitive: PRIVATE_KEY }, NOTHING_EXPECTED);
    }
  }

  /** Whether the string or number here ends its array. One too long to be seen whole is said to. */
  *#isLast(depth: number): Reading<boolean> {
    if ("{[".includes(this.#text.charAt(this.#at))) return false;
    if (!this.#isWhole(depth) && !(yield* this.#becomesWhole(depth))) return true;
    for (;;) {
      const isString = this.#text.charAt(this.#at) === '"';
      const end = isString ? (readString(this.#text, this.#at)?.end ?? fail()) : this.#endOfScalar();
      const next = endOfSpace(this.#text, end);
      if (next < this.#text.length) return this.#text[next] === "]";
      if (next - this.#at >= 2 * this.#windows.value) return true;
      yield* this.#more();
    }
  }

  *#string(place: Place, expected: Expectation): Reading<void> {
    this.#at++;
    this.#settled = this.#at;
    this.#passOn();
    yield* this.#inside(this.#openString(place, expected));
    this.#at++;
    this.#settled = this.#at;
  }

  #openString(place: Place, { cell }: Expectation): RawString {
    const treatment = place.position?.treatment;
    const sensitive = (treatment === "opaque" ? undefined : place.sensitive) ?? cell;
    const ahead = this.#text.slice(this.#at, this.#at + CONTEXT);
    if (sensitive && !startsWithPlaceholder(ahead)) {
      return new SecretString(this.#sink, sensitive.kind, this.#walk.isKeyOpen);
    }
    if (treatment === "opaque") return new OpaqueString(this.#sink);
    return new ScannedString(this.#sink, treatment === "address", this.#openValue);
  }

  /** Hands over what stands between the quotes. Whatever comes, what was handed over is passed on masked. */
  *#inside(string: RawString): Reading<void> {
    try {
      for (;;) {
        const end = endOfCharacters(this.#text, this.#at);
        const raw = this.#text.slice(this.#at, end);
        const value = raw.includes("\\") ? (unescapeString(`"${raw}"`) ?? fail()) : raw;
        this.#skip(end);
        string.push(raw, value);
        if (this.#text[this.#at] === '"') break;
        yield* this.#more();
      }
    } finally {
      this.#walk.isKeyOpen = string.end().leavesKeyOpen;
    }
  }

  #enter({ depth }: Place): void {
    if (depth >= this.#scan.maxDepth) throw new UnmaskableError("too_deep");
    this.#at++;
    this.#settled = this.#at;
  }

  /** The next character that is not white space. */
  *#peek(): Reading<string> {
    for (;;) {
      this.#skipSpace();
      if (this.#at < this.#text.length) return this.#text.charAt(this.#at);
      yield* this.#more();
    }
  }

  #skipSpace(): void {
    this.#at = endOfSpace(this.#text, this.#at);
  }

  *#more(): Reading<void> {
    if (this.#isEnded) throw NOT_JSON;
    if (this.#at - this.#settled > this.#windows.value) this.#settled = this.#at;
    this.#passOn();
    yield;
  }

  /** Emits what is settled and forgets it. */
  #passOn(): void {
    const settled = this.#settled;
    if (settled === 0) return;
    const text = this.#text;
    const edits = mergeEdits(this.#walk.edits);
    let position = 0;
    for (const edit of edits) {
      if (edit.start >= settled) break;
      if (edit.start > position) this.#sink.keep(text.slice(position, edit.start));
      this.#sink.replace(text.slice(edit.start, edit.end), edit);
      position = edit.end;
    }
    if (position < settled) this.#sink.keep(text.slice(position, settled));
    const tail = text.slice(Math.max(position, settled - CONTEXT), settled);
    this.#passedOn = position === 0 ? (this.#passedOn + tail).slice(-CONTEXT) : tail;
    this.#forget(settled, edits);
  }

  #forget(until: number, edits: readonly Edit[]): void {
    this.#base += until;
    this.#at -= until;
    this.#settled = 0;
    const left = edits.filter(({ start }) => start >= until);
    this.#setText(
      this.#text.slice(until),
      left.map((edit) => ({ ...edit, start: edit.start - until, end: edit.end - until })),
    );
  }

  /** Leaves out what the stream of a string has taken over. */
  #skip(end: number): void {
    this.#at = end;
    this.#forget(end, []);
  }

  #setText(text: string, edits: readonly Edit[]): void {
    const { isKeyOpen } = this.#walk;
    this.#text = text;
    this.#walk = new JsonWalk(text, this.#scan);
    this.#walk.isKeyOpen = isKeyOpen;
    for (const edit of edits) this.#walk.edits.push(edit);
  }
}

/** The items of a large array, what they say about each other and what is to be known of them afterwards. */
class OpenItems {
  hasArrays = false;
  readonly columns = new Map<number, SensitiveName>();
  /** What the first of two items says about the second: `["Authorization", "…"]`. */
  label: SensitiveName | undefined;
  readonly #expected: Expectation;
  #count = 0;

  constructor(expected: Expectation) {
    this.#expected = expected;
  }

  expect(): Expectation {
    const { rows, row } = this.#expected;
    if (rows) return { row: rows };
    return row ? { cell: row.get(this.#count) } : NOTHING_EXPECTED;
  }

  /** To be called right behind the item. */
  note({ first, whole }: Seen, walk: JsonWalk): void {
    this.hasArrays ||= first === "[";
    const isLabel = this.#count === 0 && first === '"' && whole && whole.end - whole.start <= MAX_LABEL;
    const label = isLabel ? walk.stringAt(whole) : undefined;
    this.label = label === undefined ? undefined : walk.sensitiveName(label);
    if (whole && this.#expected.isColumns) this.#noteColumn(walk.columnName(whole), walk);
    this.#count++;
  }

  #noteColumn(name: string | undefined, walk: JsonWalk): void {
    const sensitive = name === undefined ? undefined : walk.sensitiveName(name);
    if (sensitive) this.columns.set(this.#count, sensitive);
  }
}

/** Stands before the rest of a document that breaks off between the lines of a private key. */
const KEY_CONTEXT = "-----BEGIN PRIVATE KEY-----\n";

const QUOTE = 34;
const BACKSLASH = 92;
const SPACE = 32;
const LOWER_U = 117;

/**
 * Where the inside of a string that has been read up to `at` ends for now: at its quote, or at the end of the text or
 * of its last whole escape.
 */
function endOfCharacters(text: string, at: number): number {
  let index = at;
  while (index < text.length) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) return index;
    if (code < SPACE) throw NOT_JSON;
    const length = code !== BACKSLASH ? 1 : text.charCodeAt(index + 1) === LOWER_U ? 6 : 2;
    if (index + length > text.length) return index;
    index += length;
  }
  return index;
}

function endOfSpace(text: string, at: number): number {
  let index = at;
  for (;;) {
    const code = text.charCodeAt(index);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return index;
    index++;
  }
}

function fail(): never {
  throw NOT_JSON;
}
