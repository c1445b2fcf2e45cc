import type { Budget } from "./budget.js";
import { readTables, type TablePart, type TableState } from "./detectors/tables.js";
import { addEditsOfMasked, applyEdits, mergeEdits, type Edit } from "./edits.js";
import { scanJson, type JsonScanOptions } from "./json-scanner.js";
import type { Kind } from "./profile.js";
import { MESSAGE_ROOT } from "./protocol-fields.js";
import { TextScanner } from "./text-scanner.js";
import { UnmaskableError } from "./unmaskable.js";

/** JSON in strings of JSON is followed so deep; what is nested deeper cannot be vouched for. */
export const MAX_NESTED_DOCUMENTS = 4;
/** Masking can uncover more (a token that a word stood before); each round only grows what is masked. */
const MAX_ROUNDS = 4;

/** Kinds that identify people and not rights; addresses keep them. */
export const PERSONAL: ReadonlySet<Kind> = new Set(["email", "card", "iban", "ssn"]);

export interface ScanLimits {
  readonly budget: Budget;
  readonly maxDepth: number;
  readonly except: ReadonlySet<Kind>;
}

/** A part of a text that is too long to be looked at whole. */
export interface Segment {
  readonly text: string;
  /** What stands before is context, masked already. */
  readonly from: number;
  /** What is known of tables there, and would be if what is masked before were written as it is masked. */
  readonly tables: TableState;
  readonly maskedTables: TableState;
  /** The text ends with this segment. */
  readonly isLast: boolean;
}

/** The scan of one message. */
export class Scan {
  readonly limits: ScanLimits;

  constructor(limits: ScanLimits) {
    this.limits = limits;
  }

  /** A JSON document; `nesting` says in how many strings of JSON it stands. */
  json(text: string, nesting: number): Edit[] | undefined {
    return scanJson(text, this.jsonOptions(nesting));
  }

  jsonOptions(nesting: number): JsonScanOptions {
    return {
      ...this.limits,
      root: nesting === 0 ? MESSAGE_ROOT : undefined,
      scanValue: (value, field) => {
        const found = this.value(value, nesting);
        return field === "address" ? found.filter(({ kind }) => !PERSONAL.has(kind)) : found;
      },
    };
  }

  /** The value of a string: a JSON document of its own, or text. Edits are merged. */
  value(text: string, nesting: number): readonly Edit[] {
    const ofDocument = this.#document(text, nesting);
    if (ofDocument) return ofDocument;
    const edits = this.#plain(text);
    const [first] = edits;
    const isAllMasked = edits.length === 1 && first?.start === 0 && first.end === text.length;
    return edits.length === 0 || isAllMasked ? edits : this.#untilStable(text, { edits, nesting });
  }

  #document(text: string, nesting: number): Edit[] | undefined {
    if (!looksLikeDocument(text)) return undefined;
    const edits = this.json(text, nesting + 1);
    if (edits && nesting >= MAX_NESTED_DOCUMENTS) throw new UnmaskableError("too_deep");
    return edits;
  }

  #plain(text: string): readonly Edit[] {
    return this.#wanted(TEXT_SCANNER.scan(text, this.limits.budget));
  }

  #wanted(found: readonly Edit[]): readonly Edit[] {
    return found.length === 0
      ? NOTHING
      : mergeEdits(found.filter(({ kind }) => !this.limits.except.has(kind)));
  }

  /**
   * What to mask in a segment, as in a value: looked at again and again until nothing new is found. Tells too whether
   * anything in it is called like a secret, without which no line of it can be the head of a table.
   */
  segment({ text, from, tables, maskedTables, isLast }: Segment): {
    readonly edits: readonly Edit[];
    readonly sawName: boolean;
  } {
    const first = this.#look(text, { from, state: tables, isLast });
    let edits: readonly Edit[] = first.found.map((edit) => ({ ...edit, start: Math.max(edit.start, from) }));
    for (let round = 0; edits.length > 0 || hasTable(maskedTables); round++) {
      this.limits.budget.check();
      const { found } = this.#look(applyEdits(text, edits), { from, state: maskedTables, isLast });
      const added = found.filter(({ start }) => start >= from);
      if (added.length === 0) break;
      if (round === MAX_ROUNDS) {
        return { edits: [{ start: from, end: text.length, kind: "secret" }], sawName: first.sawName };
      }
      edits = addEditsOfMasked(edits, added);
    }
    return { edits, sawName: first.sawName };
  }

  #look(text: string, part: Omit<TablePart, "to">): { found: readonly Edit[]; sawName: boolean } {
    const { findings, sawName } = TEXT_SCANNER.scanWithoutTables(text, this.limits.budget);
    const inTables =
      sawName || hasTable(part.state) ? readTables(text, { ...part, to: text.length }).findings : [];
    const found = this.#wanted(inTables.length === 0 ? findings : findings.concat(inTables));
    return { found: found.filter(({ end }) => end > part.from), sawName };
  }

  /** Where the secret that goes across a position ends; undefined when none does. */
  endOfOpen(text: string, position: number): number | undefined {
    const { findings } = TEXT_SCANNER.scanWithoutTables(text, this.limits.budget);
    return this.#wanted(findings).find(({ start, end }) => start < position && end > position)?.end;
  }

  /**
   * Masking twice must equal masking once, so look again at what masking makes of the text. A document needs no second
   * look: its strings had theirs, and a masked name or number is none that says anything about another.
   */
  #untilStable(text: string, first: { edits: readonly Edit[]; nesting: number }): readonly Edit[] {
    let edits = first.edits;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      this.limits.budget.check();
      const masked = applyEdits(text, edits);
      const found = this.#document(masked, first.nesting) ?? this.#plain(masked);
      if (found.length === 0) return edits;
      edits = addEditsOfMasked(edits, found);
    }
    return [{ start: 0, end: text.length, kind: "secret" }];
  }
}

const NOTHING: readonly Edit[] = [];
/** Holds state only while it scans one text, which nothing interrupts. */
const TEXT_SCANNER = new TextScanner();

function hasTable({ table, line }: TableState): boolean {
  return (table ?? line?.heads) !== undefined;
}

/** Whether the first character that is not white space opens an object or an array. */
function looksLikeDocument(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x20 || (code >= 0x09 && code <= 0x0d)) continue;
    return code === 0x7b || code === 0x5b;
  }
  return false;
}
