import { StringDecoder } from "node:string_decoder";

const FLUSH_AFTER_MS = 200;
const LONGEST_LINE = 64 * 1024;
const FLUSH_AT = 16 * 1024;
/** Of a text that has begun and not ended: longer is no key, and later none is waited for. */
const LONGEST_BLOCK = 64 * 1024;
const BLOCK_PATIENCE_MS = 2_000;
const BLOCK_BEGIN = "-----BEGIN ";
const BLOCK_END = "-----END ";
/** What no secret has inside: a line may be cut there. */
const BLANK = /[\s"',;]/;

export interface StderrOptions {
  readonly bytesPerSecond: number;
  readonly now: () => number;
  readonly onText: (wholeLines: string) => void;
}

/**
 * What a child writes to stderr, in whole lines and bounded: it is always read, so that the child never blocks, and what
 * exceeds the rate is counted instead of kept. What is masked as one text is given out as one: lines are gathered for a
 * moment, a private key is waited for to its end, and of a line that is too long or incomplete the rest is left out.
 */
export class StderrText {
  readonly #options: StderrOptions;
  #decoder = new StringDecoder("utf8");
  #line = "";
  #gathered = "";
  #timer: NodeJS.Timeout | undefined;
  /** Since when an unfinished block waits. */
  #blockSince: number | undefined;
  /** Up to the next line end, nothing counts. */
  #isSkipping = false;
  #secondStart = Number.NEGATIVE_INFINITY;
  #inSecond = 0;
  #dropped = 0;

  constructor(options: StderrOptions) {
    this.#options = options;
  }

  push(chunk: Buffer): void {
    if (!this.#admit(chunk.length)) {
      this.#breakLine();
      return;
    }
    const text = this.#line + this.#afterSkipped(this.#decoder.write(chunk));
    const end = text.lastIndexOf("\n") + 1;
    this.#gathered += text.slice(0, end);
    this.#line = text.slice(end);
    if (this.#line.length > LONGEST_LINE) this.#breakLine();
    if (this.#gathered.length >= FLUSH_AT) this.#flushWhole();
    if (this.#gathered !== "") this.#timer ??= setTimeout(() => this.#flushWhole(), FLUSH_AFTER_MS);
  }

  /** The child is gone: what it wrote last may have no line end. */
  end(): void {
    if (this.#line !== "") this.#endLine();
    this.flush();
  }

  flush(): void {
    this.#give(this.#gathered.length);
  }

  /** All but what has begun and may still end. */
  #flushWhole(): void {
    const begin = this.#gathered.lastIndexOf(BLOCK_BEGIN);
    const isOpen = begin !== -1 && !this.#gathered.includes(BLOCK_END, begin);
    if (!isOpen) this.#blockSince = undefined;
    else this.#blockSince ??= this.#options.now();
    const waited = this.#options.now() - (this.#blockSince ?? 0);
    const isWaitedFor =
      isOpen && waited < BLOCK_PATIENCE_MS && this.#gathered.length - begin <= LONGEST_BLOCK;
    this.#give(isWaitedFor ? begin : this.#gathered.length);
    if (isWaitedFor) this.#timer = setTimeout(() => this.#flushWhole(), FLUSH_AFTER_MS);
  }

  #give(length: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const note = this.#dropped > 0 ? `[${this.#dropped} bytes of stderr were too many to record]\n` : "";
    this.#dropped = 0;
    const text = this.#gathered.slice(0, length) + note;
    this.#gathered = this.#gathered.slice(length);
    if (text !== "") this.#options.onText(text);
  }

  #afterSkipped(text: string): string {
    if (!this.#isSkipping) return text;
    const end = text.indexOf("\n");
    this.#isSkipping = end === -1;
    return end === -1 ? "" : text.slice(end + 1);
  }

  /** What follows in this line is left out, and what may be the first half of something. */
  #breakLine(): void {
    this.#isSkipping = true;
    this.#decoder = new StringDecoder("utf8");
    if (this.#line === "") return;
    let end = Math.min(this.#line.length, LONGEST_LINE);
    while (end > 0 && !BLANK.test(this.#line.charAt(end - 1))) end--;
    this.#gathered += `${this.#line.slice(0, end)}[the rest of the line was left out]\n`;
    this.#line = "";
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
    this.#timer ??= setTimeout(() => this.#flushWhole(), FLUSH_AFTER_MS);
    return false;
  }
}
