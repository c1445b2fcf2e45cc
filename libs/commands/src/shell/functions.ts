/** The functions that a script defines: which of them are there for certain, and who calls whom. */
export class Functions {
  #blocks = [new Set<string>()];
  readonly #calls = new Map<string, Set<string>>();
  readonly #within: string[] = [];

  /** Its body is looked at once, whoever calls it. Within it the name means the function. */
  define(name: string, body: () => void): void {
    this.#blocks.at(-1)?.add(name);
    if (!this.#calls.has(name)) this.#calls.set(name, new Set());
    this.#within.push(name);
    body();
    this.#within.pop();
  }

  called(name: string): void {
    for (const caller of this.#within) this.#calls.get(caller)?.add(name);
  }

  /** Defined above, in this or an outer block. */
  has(name: string): boolean {
    return this.#blocks.some((block) => block.has(name));
  }

  block(work: () => void): void {
    this.#blocks.push(new Set());
    work();
    this.#blocks.pop();
  }

  /** Whether one calls itself, by whatever way: that is how a machine is brought to its knees. */
  callThemselves(): boolean {
    const finished = new Set<string>();
    const open = new Set<string>();
    const circles = (name: string): boolean => {
      if (open.has(name)) return true;
      if (finished.has(name)) return false;
      open.add(name);
      const found = [...(this.#calls.get(name) ?? [])].some(circles);
      open.delete(name);
      finished.add(name);
      return found;
    };
    return [...this.#calls.keys()].some(circles);
  }
}
