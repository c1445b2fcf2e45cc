import { compileGlob, isExact, type Glob } from "./glob.js";

/**
 * Finds the entries whose names or globs match a given name without trying them all: exact names by a hash look-up,
 * globs by the literal text before their first wildcard.
 */
export class NameIndex<T> {
  readonly #exact = new Map<string, T[]>();
  readonly #byLiteral = new Map<string, { glob: Glob; entry: T }[]>();
  readonly #literalLengths = new Set<number>();

  add(nameOrGlob: string, entry: T): void {
    if (isExact(nameOrGlob)) {
      append(this.#exact, nameOrGlob, entry);
      return;
    }
    const glob = compileGlob(nameOrGlob);
    append(this.#byLiteral, glob.literal, { glob, entry });
    this.#literalLengths.add(glob.literal.length);
  }

  /** Calls `visit` for each matching entry, more than once when several of its names match. */
  forEachMatch(name: string, visit: (entry: T) => void): void {
    for (const entry of this.#exact.get(name) ?? []) visit(entry);
    for (const length of this.#literalLengths) {
      if (length > name.length) continue;
      for (const { glob, entry } of this.#byLiteral.get(name.slice(0, length)) ?? []) {
        if (glob.matches(name)) visit(entry);
      }
    }
  }
}

/** Adds to a list kept under a key. */
export function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
