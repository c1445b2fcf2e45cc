/** Objects with more keys than this are checked through a Set: its hash is seeded, ours can be collided on purpose. */
const FEW = 8;

/** The keys of one object so far. Holds positions instead of strings while there are few: most objects are small. */
export class SeenKeys {
  readonly #decode: (start: number, end: number) => string;
  readonly #positions: number[] = [];
  #many: Set<string> | undefined;

  constructor(decode: (start: number, end: number) => string) {
    this.#decode = decode;
  }

  /** False when a key that means the same was added before. `hash` is equal for keys that mean the same. */
  add(hash: number, start: number, end: number): boolean {
    if (this.#many !== undefined) return this.#addToMany(this.#many, this.#decode(start, end));
    const positions = this.#positions;
    for (let i = 0; i < positions.length; i += 3) {
      if (positions[i] === hash && this.#decodeAt(i) === this.#decode(start, end)) return false;
    }
    positions.push(hash, start, end);
    if (positions.length > FEW * 3) this.#many = this.#decodeAll();
    return true;
  }

  #addToMany(many: Set<string>, key: string): boolean {
    const before = many.size;
    many.add(key);
    return many.size > before;
  }

  #decodeAt(index: number): string {
    return this.#decode(this.#positions[index + 1] as number, this.#positions[index + 2] as number);
  }

  #decodeAll(): Set<string> {
    const all = new Set<string>();
    for (let i = 0; i < this.#positions.length; i += 3) all.add(this.#decodeAt(i));
    return all;
  }
}
