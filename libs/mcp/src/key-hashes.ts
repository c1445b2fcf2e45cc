/** Objects with more keys than this are checked through a table. */
const FEW = 8;

/**
 * The keys of one object by their hashes: 8 to 16 bytes for each, whatever its length. Equal keys are always found; two
 * keys that differ pass for equal once in about 2^53 pairs.
 */
export class KeyHashes {
  #count = 0;
  readonly #few: number[] = [];
  /** Open addressing, at most half full; 0 is free. */
  #table: Float64Array | undefined;

  get count(): number {
    return this.#count;
  }

  /** False when it was added before. `hash`: a positive integer of at most 53 bits, spread evenly. */
  add(hash: number): boolean {
    const isNew = this.#table === undefined ? this.#addToFew(hash) : insert(this.#table, hash);
    if (!isNew) return false;
    this.#count++;
    this.#makeRoom();
    return true;
  }

  #addToFew(hash: number): boolean {
    if (this.#few.includes(hash)) return false;
    this.#few.push(hash);
    return true;
  }

  #makeRoom(): void {
    const size = this.#table?.length ?? FEW * 2;
    if (this.#count * 2 <= size) return;
    const larger = new Float64Array(size * 2);
    for (const hash of this.#table ?? this.#few) if (hash !== 0) insert(larger, hash);
    this.#table = larger;
  }
}

function insert(table: Float64Array, hash: number): boolean {
  const mask = table.length - 1;
  for (let i = hash & mask; ; i = (i + 1) & mask) {
    const found = table[i];
    if (found === hash) return false;
    if (found === 0) {
      table[i] = hash;
      return true;
    }
  }
}
