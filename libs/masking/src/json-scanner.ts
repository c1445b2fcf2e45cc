import type { Budget } from "./budget.js";
import { isCardNumber } from "./detectors/cards.js";
import { mergeEdits, type Edit } from "./edits.js";
import { EscapedPositions, readString, unescapeString } from "./json-strings.js";
import { isNoSecret, sensitiveName, type SensitiveName } from "./key-names.js";
import { memberPosition, type ProtocolPosition } from "./protocol-fields.js";
import { UnmaskableError } from "./unmaskable.js";

/** What the walk needs from the rest of the masker. */
export interface JsonScanOptions {
  readonly budget: Budget;
  readonly maxDepth: number;
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
interface Place {
  readonly position: ProtocolPosition | undefined;
  readonly sensitive: SensitiveName | undefined;
  readonly depth: number;
}

/** One value: its range, and the text of a string. */
interface Value {
  readonly start: number;
  readonly end: number;
  readonly string?: string | undefined;
  readonly isNumber?: boolean;
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const LITERALS = ["true", "false", "null"] as const;
const PAIR_NAMES = new Set([
  "name",
  "key",
  "field",
  "header",
  "variable",
  "env",
  "param",
  "parameter",
  "label",
  "property",
  "option",
  "setting",
  "column",
]);
const PAIR_VALUES = new Set(["value", "val", "default", "data", "content"]);
const COLUMN_LISTS = new Set([
  "columns",
  "fields",
  "headers",
  "header",
  "columnnames",
  "column_names",
  "cols",
]);
const ROW_LISTS = new Set(["rows", "values", "data", "records", "result", "results"]);

/**
 * Reads the raw text once, by recursive descent. A method returns the position behind what it read, or -1 when that is
 * not JSON; text that is no JSON is common (`[INFO] started`), so it is not an exception.
 */
class JsonWalk {
  readonly edits: Edit[] = [];
  readonly #text: string;
  readonly #options: JsonScanOptions;
  #strings = 0;

  constructor(text: string, options: JsonScanOptions) {
    this.#text = text;
    this.#options = options;
  }

  document(): boolean {
    const place: Place = { position: this.#options.root, sensitive: undefined, depth: 0 };
    const end = this.#value(this.#skipSpace(0), place);
    return end !== -1 && this.#skipSpace(end) === this.#text.length;
  }

  #value(at: number, place: Place): number {
    switch (this.#text[at]) {
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
    const pair = new NameValuePair();
    const table = new ColumnTable();
    let index = this.#skipSpace(at + 1);
    if (this.#text[index] === "}") return index + 1;
    for (;;) {
      const name = this.#name(index);
      if (!name) return -1;
      const colon = this.#skipSpace(name.end);
      if (this.#text[colon] !== ":") return -1;
      const start = this.#skipSpace(colon + 1);
      const end = this.#value(start, this.#memberPlace(place, name.value));
      if (end === -1) return -1;
      if (!place.position) {
        pair.add(name.value, { start, end });
        table.add(name.value, { start, end });
      }
      index = this.#skipSpace(end);
      if (this.#text[index] === "}") break;
      if (this.#text[index] !== ",") return -1;
      index = this.#skipSpace(index + 1);
    }
    this.#maskPair(pair);
    this.#maskTable(table);
    return index + 1;
  }

  #memberPlace(parent: Place, name: string): Place {
    const position = memberPosition(parent.position, name);
    const isUserData = !position && !parent.position;
    return {
      position,
      sensitive: isUserData || !position ? sensitiveName(name) : undefined,
      depth: parent.depth + 1,
    };
  }

  #array(at: number, place: Place): number {
    this.#checkDepth(place);
    const items: Value[] = [];
    const itemPlace: Place = {
      position: place.position?.items,
      sensitive: place.sensitive,
      depth: place.depth + 1,
    };
    let index = this.#skipSpace(at + 1);
    if (this.#text[index] === "]") return index + 1;
    for (;;) {
      const end = this.#value(index, itemPlace);
      if (end === -1) return -1;
      if (items.length < 3) items.push({ start: index, end });
      index = this.#skipSpace(end);
      if (this.#text[index] === "]") break;
      if (this.#text[index] !== ",") return -1;
      index = this.#skipSpace(index + 1);
    }
    const [name, value] = items;
    if (items.length === 2 && name && value) this.#maskNamed(name, value);
    return index + 1;
  }

  #string(at: number, place: Place): { end: number } | undefined {
    const token = readString(this.#text, at);
    if (!token) return undefined;
    if ((++this.#strings & 0x3ff) === 0) this.#options.budget.check();
    const value = token.hasEscapes
      ? unescapeString(this.#text.slice(at, token.end))
      : this.#text.slice(at + 1, token.end - 1);
    if (value === undefined) return undefined;
    const treatment = place.position?.treatment;
    if (treatment === "opaque" || value === "") return token;
    if (place.sensitive && !isNoSecret(value)) {
      this.edits.push({ start: at + 1, end: token.end - 1, kind: place.sensitive.kind });
      return token;
    }
    this.#addValueEdits(this.#options.scanValue(value, treatment ?? "data"), {
      start: at,
      hasEscapes: token.hasEscapes,
    });
    return token;
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
    if (place.position?.treatment === "opaque") return end;
    if (place.sensitive?.numbers && number !== "0") {
      this.edits.push({ start: at, end, kind: place.sensitive.kind, number: true });
    } else if (number.length >= 13 && isCardNumber(digitsOf(number))) {
      this.edits.push({ start: at, end, kind: "card", number: true });
    }
    return end;
  }

  #name(at: number): { end: number; value: string } | undefined {
    if (this.#text[at] !== '"') return undefined;
    const token = readString(this.#text, at);
    if (!token) return undefined;
    const value = this.#stringAt({ start: at, end: token.end });
    return value === undefined ? undefined : { end: token.end, value };
  }

  #stringAt({ start, end }: Value): string | undefined {
    if (this.#text[start] !== '"') return undefined;
    const inside = this.#text.slice(start + 1, end - 1);
    return inside.includes("\\") ? unescapeString(this.#text.slice(start, end)) : inside;
  }

  /** `{"name": "DB_PASSWORD", "value": "…"}`: the name stands in a value. */
  #maskPair(pair: NameValuePair): void {
    if (pair.name && pair.value) this.#maskNamed(pair.name, pair.value);
  }

  #maskNamed(name: Value, value: Value): void {
    if (name.end - name.start > 130) return;
    const label = this.#stringAt(name);
    const sensitive = label === undefined ? undefined : sensitiveName(label);
    if (sensitive) this.#maskCell(value, sensitive);
  }

  #maskCell(value: Value, { kind, numbers }: SensitiveName): void {
    const string = this.#stringAt(value);
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

  /** `{"columns": ["id", "password"], "rows": [[1, "…"]]}`: the name stands once, for a whole column. */
  #maskTable({ columns, rows }: ColumnTable): void {
    if (!columns || !rows || this.#text[rows.start] !== "[" || this.#text[columns.start] !== "[") return;
    const sensitive = new Map<number, SensitiveName>();
    for (const [index, item] of this.#items(columns).entries()) {
      const name = this.#columnName(item);
      const found = name === undefined ? undefined : sensitiveName(name);
      if (found) sensitive.set(index, found);
    }
    if (sensitive.size === 0) return;
    for (const row of this.#items(rows)) {
      if (this.#text[row.start] !== "[") continue;
      const cells = this.#items(row);
      for (const [index, found] of sensitive) {
        const cell = cells[index];
        if (cell) this.#maskCell(cell, found);
      }
    }
  }

  #columnName(item: Value): string | undefined {
    if (this.#text[item.start] !== "{" || item.end - item.start > 4096) return this.#stringAt(item);
    const column: unknown = JSON.parse(this.#text.slice(item.start, item.end));
    return typeof column === "object" &&
      column !== null &&
      "name" in column &&
      typeof column.name === "string"
      ? column.name
      : undefined;
  }

  /** The items of an array that has been read already. */
  #items(array: Value): Value[] {
    const items: Value[] = [];
    let depth = 0;
    let start = -1;
    for (let index = array.start; index < array.end; index++) {
      const character = this.#text[index];
      if (depth === 1 && start === -1 && character !== "]" && !isSpace(this.#text.charCodeAt(index)))
        start = index;
      if (character === '"') index = (readString(this.#text, index)?.end ?? array.end) - 1;
      else if (character === "[" || character === "{") depth++;
      else if (character === "]" || character === "}") depth--;
      if (start !== -1 && (depth === 0 || (depth === 1 && character === ","))) {
        items.push({ start, end: this.#trimEnd(start, index) });
        start = -1;
      }
    }
    return items;
  }

  #trimEnd(start: number, end: number): number {
    let trimmed = end;
    while (trimmed > start && isSpace(this.#text.charCodeAt(trimmed - 1))) trimmed--;
    return trimmed;
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

/** The two members of an object that make a pair, whichever comes first. */
class NameValuePair {
  name: Value | undefined;
  value: Value | undefined;

  add(name: string, value: Value): void {
    if (name.length > 12) return;
    const lower = name.toLowerCase();
    if (PAIR_NAMES.has(lower)) this.name ??= value;
    else if (PAIR_VALUES.has(lower)) this.value ??= value;
  }
}

class ColumnTable {
  columns: Value | undefined;
  rows: Value | undefined;

  add(name: string, value: Value): void {
    if (name.length > 12) return;
    const lower = name.toLowerCase();
    if (COLUMN_LISTS.has(lower)) this.columns ??= value;
    else if (ROW_LISTS.has(lower)) this.rows ??= value;
  }
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
