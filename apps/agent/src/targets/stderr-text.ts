import { StringDecoder } from "node:string_decoder";

const FLUSH_AFTER_MS = 200;
const LONGEST_LINE = 8 * 1024;
const FLUSH_AT = 16 * 1024;

export interface StderrOptions {
  readonly bytesPerSecond: number;
  readonly now: () => number;
  readonly onText: (wholeLines: string) => void;
}

/**
 * What a child writes to stderr, in whole lines and bounded: it is always read, so that the child never blocks, and what
 * exceeds the rate is counted instead of kept. Lines are gathered for a moment, so that a secret that spans several
 * (a private key) is masked as one text.
 */
export class StderrText {
  readonly #options: StderrOptions;
  readonly #decoder = new StringDecoder("utf8");
  #line = "";
  #gathered = "";
  #timer: NodeJS.Timeout | undefined;
  #secondStart = Number.NEGATIVE_INFINITY;
  #inSecond = 0;
  #dropped = 0;

  constructor(options: StderrOptions) {
    this.#options = options;
  }

  push(chunk: Buffer): void {
    if (!this.#admit(chunk.length)) return;
    const text = this.#line + this.#decoder.write(chunk);
    const end = text.lastIndexOf("\n") + 1;
    this.#gathered += text.slice(0, end);
    this.#line = text.slice(end);
    if (this.#line.length > LONGEST_LINE) this.#endLine();
    if (this.#gathered.length >= FLUSH_AT) this.flush();
    else if (this.#gathered !== "") this.#timer ??= setTimeout(() => this.flush(), FLUSH_AFTER_MS);
  }

  /** The child is gone: what it wrote last may have no line end. */
  end(): void {
    if (this.#line !== "") this.#endLine();
    this.flush();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#dropped > 0) {
      this.#gathered += `[${this.#dropped} bytes of stderr were too many to record]\n`;
      this.#dropped = 0;
    }
    if (this.#gathered === "") return;
    const text = this.#gathered;
    this.#gathered = "";
    this.#options.onText(text);
  }

  #endLine(): void {
    this.#gathered += `${this.#line}\n`;
    this.#line = "";
  }

  #admit(bytes: number): boolean {
    const now = this.#options.now();
    if (now - this.#secondStart >= 1_000) {
      this.#secondStart = now;
      this.#inSecond = 0;
    }
    this.#inSecond += bytes;
    if (this.#inSecond <= this.#options.bytesPerSecond) return true;
    this.#dropped += bytes;
    this.#timer ??= setTimeout(() => this.flush(), FLUSH_AFTER_MS);
    return false;
  }
}
