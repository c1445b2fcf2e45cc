import { NotAListResultError } from "@drawbridge/mcp";
import { MAX_TOOLS } from "./tool-knowledge.js";
import type { ShownTool } from "./tool-page.js";

/** Definitions read before other sessions have their turn; one tool is read at once. */
const TURN_BYTES = 128 * 1024;

export const TOO_LONG = new Error("its list of tools is too long");

/** In words that quote nothing of the list: why it could not be read. */
export function describeFault(error: unknown): string {
  if (error === TOO_LONG) return TOO_LONG.message;
  return error instanceof NotAListResultError ? "it answered with no list" : "its list could not be read";
}

export interface ToolPageReadingOptions {
  /** See toolsOfPage. */
  readonly tools: Iterator<ShownTool>;
  /** Of the answer: to find the tools in a long one takes a turn of its own. */
  readonly bytes: number;
  readonly onRead: (tools: readonly ShownTool[]) => void;
  /** TOO_LONG, or what reading threw. */
  readonly onFailed: (error: unknown) => void;
}

/** Reads the tools of one answer to tools/list, so much at a time that other sessions have their turn in between. */
export class ToolPageReading {
  readonly #options: ToolPageReadingOptions;
  readonly #read: ShownTool[] = [];
  #isOver = false;

  constructor(options: ToolPageReadingOptions) {
    this.#options = options;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  start(): void {
    if (this.#options.bytes > TURN_BYTES) setImmediate(() => this.#goOn(TURN_BYTES));
    else this.#goOn(TURN_BYTES);
  }

  /** Reads all that is left, now. */
  finish(): void {
    this.#goOn(Number.POSITIVE_INFINITY);
  }

  /** Nobody waits for it any more. */
  stop(): void {
    this.#isOver = true;
  }

  #goOn(bytes: number): void {
    if (this.#isOver) return;
    const { onRead, onFailed } = this.#options;
    try {
      if (!this.#readUpTo(bytes)) {
        setImmediate(() => this.#goOn(TURN_BYTES));
        return;
      }
    } catch (error) {
      this.#isOver = true;
      onFailed(error);
      return;
    }
    this.#isOver = true;
    onRead(this.#read);
  }

  /** True when nothing is left. */
  #readUpTo(bytes: number): boolean {
    const { tools } = this.#options;
    let left = bytes;
    // No for-of: it would end the generator with its turn.
    for (let each = tools.next(); !each.done; each = tools.next()) {
      if (this.#read.length >= MAX_TOOLS) throw TOO_LONG;
      this.#read.push(each.value);
      left -= each.value.size;
      if (left <= 0) return false;
    }
    return true;
  }
}
