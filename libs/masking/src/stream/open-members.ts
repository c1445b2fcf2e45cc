import { isNoSecret, type SensitiveName } from "../key-names.js";
import {
  JWK_PRIVATE,
  MAX_LABEL,
  PRIVATE_KEY,
  ROLES,
  type Columns,
  type Role,
  type Value,
} from "../json-scanner.js";
import { UnmaskableError } from "../unmaskable.js";

/** What is known of a member of an object, or an item of an array, whose surroundings are too large to be seen whole. */
export interface Seen {
  /** Its first character. */
  readonly first: string;
  /** Its range, when it was small enough to be read whole. */
  readonly whole?: Value | undefined;
  /** Of an array that was not: whether it has arrays in it, and which of its items are names of secrets. */
  readonly hasArrays?: boolean;
  readonly columns?: Columns;
}

/** What the members before say about the next. */
export interface Expectation {
  /** All of it is secret. */
  readonly cell?: SensitiveName | undefined;
  /** It is a table's rows, or one row. */
  readonly rows?: Columns | undefined;
  readonly row?: Columns | undefined;
  /** It may be a table's columns. */
  readonly isColumns?: boolean;
}

export const NOTHING_EXPECTED: Expectation = {};
const COLUMNS_EXPECTED: Expectation = { isColumns: true };
const NO_COLUMNS: Columns = new Map();

/** The part of the walk that this needs: looks at values that are there whole. */
export interface WholeValues {
  stringAt(value: Value): string | undefined;
  sensitiveName(name: string): SensitiveName | undefined;
  sensitiveColumns(columns: Value): Columns;
  hasArrays(rows: Value): boolean;
}

/**
 * The members of a large object that say something about each other. What comes first has been passed on when the
 * second comes; if it turns out that it should have been masked, the message cannot be masked any more.
 */
export class OpenMembers {
  #name: SensitiveName | "harmless" | undefined;
  #columns: Columns | undefined;
  #passedValue: Seen | undefined;
  #passedString: string | undefined;
  #passedRows = false;
  #hasValue = false;
  #hasRows = false;
  #hasKeyType = false;
  #passedKeyMember = false;

  expect(name: string): Expectation {
    if (this.#hasKeyType && JWK_PRIVATE.has(name)) return { cell: PRIVATE_KEY };
    const role = ROLES.get(name);
    if (role === "value" && !this.#hasValue && typeof this.#name === "object") return { cell: this.#name };
    if (role === "rows" && !this.#hasRows && this.#columns) return { rows: this.#columns };
    return role === "columns" ? COLUMNS_EXPECTED : NOTHING_EXPECTED;
  }

  /** To be called right behind the member. */
  note(name: string, seen: Seen, values: WholeValues): void {
    if (JWK_PRIVATE.has(name) && !this.#hasKeyType) this.#passedKeyMember ||= seen.first === '"';
    const role = ROLES.get(name);
    if (role) this.#noteRole(role, seen, values);
    if (this.#isTooLate()) throw new UnmaskableError("too_large");
  }

  #noteRole(role: Role, seen: Seen, values: WholeValues): void {
    if (role === "name") this.#name ??= this.#readName(seen, values);
    else if (role === "value") this.#noteValue(seen, values);
    else if (role === "columns") this.#noteColumns(seen, values);
    else if (role === "rows") this.#noteRows(seen, values);
    else this.#hasKeyType = true;
  }

  #noteColumns(seen: Seen, values: WholeValues): void {
    this.#columns ??= seen.whole ? values.sensitiveColumns(seen.whole) : (seen.columns ?? NO_COLUMNS);
  }

  #readName({ whole }: Seen, values: WholeValues): SensitiveName | "harmless" {
    const label = whole && whole.end - whole.start <= MAX_LABEL ? values.stringAt(whole) : undefined;
    return (label === undefined ? undefined : values.sensitiveName(label)) ?? "harmless";
  }

  #noteValue(seen: Seen, values: WholeValues): void {
    if (this.#hasValue) return;
    this.#hasValue = true;
    if (this.#name) return;
    this.#passedValue = seen;
    this.#passedString = seen.whole && values.stringAt(seen.whole);
  }

  #noteRows({ whole, hasArrays = false }: Seen, values: WholeValues): void {
    if (this.#hasRows) return;
    this.#hasRows = true;
    if (!this.#columns) this.#passedRows = whole ? values.hasArrays(whole) : hasArrays;
  }

  #isTooLate(): boolean {
    if (this.#hasKeyType && this.#passedKeyMember) return true;
    if (this.#passedRows && this.#columns && this.#columns.size > 0) return true;
    return typeof this.#name === "object" && this.#isPassedSecret(this.#name);
  }

  #isPassedSecret({ numbers }: SensitiveName): boolean {
    if (!this.#passedValue) return false;
    const { first, whole } = this.#passedValue;
    if (first === '"') return !whole || !isNoSecret(this.#passedString ?? "");
    return numbers && /[-1-9]/.test(first);
  }
}
