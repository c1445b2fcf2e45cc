/** One line per step, with its time; on a terminal the line of the running step is rewritten. */
export class Progress {
  readonly #out: NodeJS.WriteStream;
  #current = "";

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** Runs one step; its line names what the step returns as a detail. */
  async step<T>(name: string, work: () => Promise<T>, detail: (result: T) => string = () => ""): Promise<T> {
    const startedAt = performance.now();
    this.#current = name;
    if (this.#out.isTTY) this.#out.write(`… ${name}`);
    try {
      const result = await work();
      const text = detail(result);
      this.#line(
        `✓ ${name}${text && `: ${text}`} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`,
      );
      return result;
    } catch (error) {
      this.#line(`✗ ${name}`);
      throw error;
    } finally {
      this.#current = "";
    }
  }

  /** A line between the steps. */
  say(text: string): void {
    this.#line(text);
    if (this.#current && this.#out.isTTY) this.#out.write(`… ${this.#current}`);
  }

  #line(text: string): void {
    this.#out.write(`${this.#out.isTTY ? "\r\x1b[2K" : ""}${text}\n`);
  }
}
