import type { Budget } from "./budget.js";
import { isCardNumber } from "./detectors/cards.js";
import { mergeEdits, type Edit } from "./edits.js";
import { EscapedPositions, readString, unescapeString, type StringToken } from "./json-strings.js";
import { isNoSecret, sensitiveName, type SensitiveName } from "./key-names.js";
import { memberPosition, type ProtocolPosition } from "./protocol-fields.js";
import type { Kind } from "./profile.js";
import { UnmaskableError } from "./unmaskable.js";

/** What the walk needs from the rest of the masker. */
export interface JsonScanOptions {
  readonly budget: Budget;
  readonly maxDepth: number;
  readonly except: ReadonlySet<Kind>;
  /** What to mask in the value of a string, in positions of that value. */
  readonly scanValue: (value: string, field: "data" | "address") => readonly Edit[];
  /** Where the document stands in the protocol; undefined when all of it is user data. */
  readonly root?: ProtocolPosition | undefined;
}

/** What to mask in a JSON document, in positions of its raw text; undefined when it is not JSON (RFC 8259). */
export function scanJson(text: string, options: JsonScanOptions): Edit[] | undefined {
  const walk = new JsonWalk(text, options);
  return walk.document() ? mergeEdits(walk.edits) : undefined;
}

/** Where a value stands and what its surroundings say about it. */
export interface Place {
  readonly position: ProtocolPosition | undefined;
  readonly sensitive: SensitiveName | undefined;
  readonly depth: number;
}

/** One value: its range, and the text of a string. */
export interface Value {
  readonly start: number;
  readonly end: number;
  readonly string?: string | undefined;
  readonly isNumber?: boolean;
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const LITERALS = ["true", "false", "null"] as const;
/** The columns of a table whose cells are secrets, by their place in a row. */
export type Columns = ReadonlyMap<number, SensitiveName>;

/** No longer text is the name of a variable, a header or a column. */
export const MAX_LABEL = 130;

/**
 * Reads the raw text once, by recursive descent. A method returns the position behind what it read, or -1 when that is
 * not JSON; text that is no JSON is common (`[INFO] started`), so it is not an exception.
 */
export class JsonWalk {
  readonly edits: Edit[] = [];
  /** The string read last begins a private key that it does not end. */
  isKeyOpen = false;
  readonly #text: string;
  readonly #options: JsonScanOptions;
  #strings = 0;

  constructor(text: string, options: JsonScanOptions) {
    this.#text = text;
    this.#options = options;
  }

  document(): boolean {
    const place: Place = { position: this.#options.root, sensitive: undefined, depth: 0 };
    const end = this.value(this.#skipSpace(0), place);
    return end !== -1 && this.#skipSpace(end) === this.#text.length;
  }

  /** Reads the value at a position; gives the position behind it, or -1. */
  value(at: number, place: Place): number {
    switch (this.#text.charAt(at)) {
      case "{":
        return this.#object(at, place);
      case "[":
        return this.#array(at, place);
      case '"':
        return this.#string(at, place)?.end ?? -1;
      case "t":
      case "f":
      case "n": {
        const literal = LITERALS.find((candidate) => this.#text.startsWith(candidate, at));
        return literal === undefined ? -1 : at + literal.length;
      }
      default:
        return this.#number(at, place);
    }
  }

  #object(at: number, place: Place): number {
    this.#checkDepth(place);
    const members = place.position ? undefined : new NotableMembers();
    let index = this.#skipSpace(at + 1);
    if (this.#text[index] === "}") return index + 1;
    for (;;) {
      const end = this.#member(index, { place, members });
      if (end === -1) return -1;
      index = this.#skipSpace(end);
      if (this.#text[index] === "}") break;
      if (this.#text[index] !== ",") return -1;
      index = this.#skipSpace(index + 1);
    }
    if (members) this.#maskByNotableMembers(members);
    this.isKeyOpen = false;
    return index + 1;
  }

  #member(at: number, { place, members }: { place: Place; members: NotableMembers | undefined }): number {
    const name = this.#name(at);
    if (!name) return -1;
    const colon = this.#skipSpace(name.end);
    if (this.#text[colon] !== ":") return -1;
    const start = this.#skipSpace(colon + 1);
    const position = memberPosition(place.position, name.value);
    // Under `{"db_password": {"value": "…"}}` the outer name speaks for the value.
    const inherited = ROLES.get(name.value) === "value" ? place.sensitive : undefined;
    const sensitive = position ? undefined : (this.sensitiveName(name.value) ?? inherited);
    const end = this.value(start, { position, sensitive, depth: place.depth + 1 });
    members?.add(name.value, { start, end });
    return end;
  }

  #array(at: number, place: Place): number {
    this.#checkDepth(place);
    const item: Place = {
      position: place.position?.items,
      sensitive: place.sensitive,
      depth: place.depth + 1,
    };
    const first = this.#skipSpace(at + 1);
    let second: Value | undefined;
    let index = first;
    let isInsideKey = false;
    this.isKeyOpen = false;
    if (this.#text[index] === "]") return index + 1;
    for (let count = 1; ; count++) {
      const end = this.#item(index, { item, isInsideKey });
      if (end === -1) return -1;
      isInsideKey = this.isKeyOpen;
      second = count === 2 ? { start: index, end } : undefined;
      index = this.#skipSpace(end);
      if (this.#text[index] === "]") break;
      if (this.#text[index] !== ",") return -1;
      index = this.#skipSpace(index + 1);
    }
    if (second && this.#text[first] === '"')
      this.#maskNamed({ start: first, end: this.#stringEnd(first) }, second);
    return index + 1;
  }

  #item(at: number, { item, isInsideKey }: { item: Place; isInsideKey: boolean }): number {
    return isInsideKey ? this.lineOfKey(at, item) : this.value(at, item);
  }

  /** A private key that is written line by line: what follows its first line is key until its last. */
  lineOfKey(at: number, place: Place): number {
    if (this.#text[at] !== '"') return this.value(at, place);
    const token = readString(this.#text, at);
    const line = token && this.#valueOf(at, token);
    if (!token || line === undefined) return -1;
    if (isNoSecret(line)) this.#string(at, place);
    else this.edits.push({ start: at + 1, end: token.end - 1, kind: PRIVATE_KEY.kind });
    this.isKeyOpen = !line.includes(KEY_END);
    return token.end;
  }

  #string(at: number, place: Place): { end: number } | undefined {
    const token = readString(this.#text, at);
    if (!token) return undefined;
    if ((++this.#strings & 0x3ff) === 0) this.#options.budget.check();
    const value = this.#valueOf(at, token);
    if (value === undefined) return undefined;
    const treatment = place.position?.treatment;
    if (treatment === "opaque" || value === "") return token;
    if (place.sensitive && !isNoSecret(value)) {
      this.edits.push({ start: at + 1, end: token.end - 1, kind: place.sensitive.kind });
      return token;
    }
    const found = this.#options.scanValue(value, treatment ?? "data");
    this.isKeyOpen = leavesKeyOpen(value, found);
    this.#addValueEdits(found, { start: at, hasEscapes: token.hasEscapes });
    return token;
  }

  #valueOf(at: number, { end, hasEscapes }: StringToken): string | undefined {
    return hasEscapes ? unescapeString(this.#text.slice(at, end)) : this.#text.slice(at + 1, end - 1);
  }

  #addValueEdits(edits: readonly Edit[], string: { start: number; hasEscapes: boolean }): void {
    if (edits.length === 0) return;
    const inside = string.start + 1;
    const positions = new EscapedPositions(this.#text, inside);
    const rawOf = (position: number) => (string.hasEscapes ? positions.rawOf(position) : inside + position);
    for (const edit of edits) {
      const start = rawOf(edit.start);
      this.edits.push({ ...edit, start, end: rawOf(edit.end) });
    }
  }

  #number(at: number, place: Place): number {
    NUMBER.lastIndex = at;
    const [number] = NUMBER.exec(this.#text) ?? [];
    if (number === undefined) return -1;
    const end = at + number.length;
    const kind = place.position?.treatment === "opaque" ? undefined : this.#kindOfNumber(number, place);
    if (kind) this.edits.push({ start: at, end, kind, number: true });
    return end;
  }

  #kindOfNumber(number: string, { sensitive }: Place): Kind | undefined {
    if (sensitive?.numbers && number !== "0") return sensitive.kind;
    if (number.length < 13 || this.#options.except.has("card")) return undefined;
    return isCardNumber(digitsOf(number)) ? "card" : undefined;
  }

  #name(at: number): { end: number; value: string } | undefined {
    if (this.#text[at] !== '"') return undefined;
    const token = readString(this.#text, at);
    if (!token) return undefined;
    const value = this.stringAt({ start: at, end: token.end });
    return value === undefined ? undefined : { end: token.end, value };
  }

  stringAt({ start, end }: Value): string | undefined {
    if (this.#text[start] !== '"') return undefined;
    const inside = this.#text.slice(start + 1, end - 1);
    return inside.includes("\\") ? unescapeString(this.#text.slice(start, end)) : inside;
  }

  #stringEnd(at: number): number {
    return readString(this.#text, at)?.end ?? at;
  }

  sensitiveName(name: string): SensitiveName | undefined {
    const sensitive = sensitiveName(name);
    return sensitive && this.#options.except.has(sensitive.kind) ? undefined : sensitive;
  }

  /** `{"name": "DB_PASSWORD", "value": "…"}`: the name stands in a value. And tables, whose names stand once. */
  #maskByNotableMembers({ name, value, columns, rows, keyType, keyMembers }: NotableMembers): void {
    if (name && value) this.#maskNamed(name, value);
    if (columns && rows) this.#maskTable(columns, rows);
    if (keyType) for (const member of keyMembers) this.maskCell(member, PRIVATE_KEY);
  }

  #maskNamed(name: Value, value: Value): void {
    if (name.end - name.start > MAX_LABEL) return;
    const label = this.stringAt(name);
    const sensitive = label === undefined ? undefined : this.sensitiveName(label);
    if (sensitive) this.maskCell(value, sensitive);
  }

  maskCell(value: Value, { kind, numbers }: SensitiveName): void {
    const string = this.stringAt(value);
    if (string !== undefined) {
      if (!isNoSecret(string)) this.edits.push({ start: value.start + 1, end: value.end - 1, kind });
    } else if (
      numbers &&
      /^-?[0-9]/.test(this.#text.slice(value.start, value.start + 2)) &&
      this.#text[value.start] !== "0"
    ) {
      this.edits.push({ start: value.start, end: value.end, kind, number: true });
    }
  }

  /** `{"columns": ["id", "password"], "rows": [[1, "…"]]}` */
  #maskTable(columns: Value, rows: Value): void {
    this.maskRows(rows, this.sensitiveColumns(columns));
  }

  maskRows(rows: Value, sensitive: Columns): void {
    if (sensitive.size === 0) return;
    for (const row of this.#items(rows)) this.maskRow(row, sensitive);
  }

  /** Whether an array has arrays in it. */
  hasArrays(rows: Value): boolean {
    return this.#items(rows).some(({ start }) => this.#text[start] === "[");
  }

  maskRow(row: Value, sensitive: Columns): void {
    const cells = this.#items(row);
    for (const [index, found] of sensitive) {
      const cell = cells[index];
      if (cell) this.maskCell(cell, found);
    }
  }

  sensitiveColumns(columns: Value): Map<number, SensitiveName> {
    const sensitive = new Map<number, SensitiveName>();
    for (const [index, item] of this.#items(columns).entries()) {
      const name = this.columnName(item);
      const found = name === undefined ? undefined : this.sensitiveName(name);
      if (found) sensitive.set(index, found);
    }
    return sensitive;
  }

  columnName(item: Value): string | undefined {
    if (this.#text[item.start] !== "{" || item.end - item.start > 4096) return this.stringAt(item);
    const column: unknown = JSON.parse(this.#text.slice(item.start, item.end));
    return typeof column === "object" &&
      column !== null &&
      "name" in column &&
      typeof column.name === "string"
      ? column.name
      : undefined;
  }

  /** The items of an array that has been read already and is known to be well formed; none of anything else. */
  #items(array: Value): Value[] {
    const items: Value[] = [];
    if (this.#text[array.start] !== "[") return items;
    let index = this.#skipSpace(array.start + 1);
    while (index < array.end - 1) {
      const end = this.#endOfValue(index);
      items.push({ start: index, end });
      index = this.#skipSpace(this.#skipSpace(end) + 1);
    }
    return items;
  }

  #endOfValue(at: number): number {
    let depth = 0;
    let index = at;
    do {
      const character = this.#text[index];
      if (character === '"') {
        index = this.#stringEnd(index);
        continue;
      }
      if (character === "[" || character === "{") depth++;
      else if (character === "]" || character === "}") depth--;
      index++;
    } while (depth > 0 || !this.#endsHere(at, index));
    return index;
  }

  /** Strings and containers end with their last character, other values before the next comma, bracket or space. */
  #endsHere(start: number, index: number): boolean {
    return '"[{'.includes(this.#text[start] ?? "") || !/[-+.0-9A-Za-z]/.test(this.#text[index] ?? "");
  }

  #skipSpace(at: number): number {
    let index = at;
    while (isSpace(this.#text.charCodeAt(index))) index++;
    return index;
  }

  #checkDepth({ depth }: Place): void {
    if (depth >= this.#options.maxDepth) throw new UnmaskableError("too_deep");
  }
}

export type Role = "name" | "value" | "columns" | "rows" | "keyType";

/** The private members of a JSON Web Key (RFC 7518, section 6), which are nothing special anywhere else. */
export const JWK_PRIVATE: ReadonlySet<string> = new Set(["d", "p", "q", "dp", "dq", "qi", "k"]);
export const KEY_END = "-----END";
export const PRIVATE_KEY: SensitiveName = { kind: "private-key", numbers: false };

export const ROLES: ReadonlyMap<string, Role> = new Map(
  Object.entries({
    name: [
      "name",
      "key",
      "field",
      "header",
      "variable",
      "env",
      "param",
      "parameter",
      "property",
      "option",
      "setting",
    ],
    value: ["value", "val", "default", "content"],
    columns: ["columns", "fields", "headers", "columnNames", "column_names", "cols"],
    keyType: ["kty"],
    rows: ["rows", "values", "data", "records", "results"],
  } as const).flatMap(([role, names]) =>
    names.flatMap((name) =>
      [name, name.charAt(0).toUpperCase() + name.slice(1), name.toUpperCase()].map(
        (form) => [form, role as Role] as const,
      ),
    ),
  ),
);

/** The members of one object that say something about each other, whichever comes first. */
class NotableMembers {
  name: Value | undefined;
  value: Value | undefined;
  columns: Value | undefined;
  rows: Value | undefined;
  keyType: Value | undefined;
  readonly keyMembers: Value[] = [];

  add(name: string, value: Value): void {
    if (JWK_PRIVATE.has(name)) this.keyMembers.push(value);
    const role = ROLES.get(name);
    if (role) this[role] ??= value;
  }
}

function leavesKeyOpen(value: string, found: readonly Edit[]): boolean {
  const reachesEnd = found.some(({ kind, end }) => kind === PRIVATE_KEY.kind && end === value.length);
  return reachesEnd && !value.includes(KEY_END);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** The digits of a number as a client would print it, however it is written. */
function digitsOf(number: string): string {
  const plain = number.startsWith("-") ? number.slice(1) : number;
  if (/^[0-9]+$/.test(plain)) return plain;
  const value = Number(plain);
  return Number.isSafeInteger(value) ? String(value) : (plain.split(/[.eE]/, 1)[0] ?? "");
}
