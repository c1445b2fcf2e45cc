import { Budget } from "../budget.js";
import type { MaskedCounts } from "../masked-counts.js";
import { Scan, type ScanLimits } from "../scan.js";
import { UnmaskableError } from "../unmaskable.js";
import type { JsonStream } from "./json-stream.js";
import { Output } from "./sink.js";
import { openDocument } from "./value-stream.js";
import { WINDOWS, type Windows } from "./windows.js";

/**
 * Masks one JSON-RPC message that comes in pieces, of any size, in memory that does not grow with it. What the methods
 * return, joined, is the masked message. They throw `UnmaskableError`, and nothing else, when it must not be passed on;
 * the stream is over then, and what it already gave must not be shown to anybody.
 *
 * A message of half a MiB comes out as from `maskMessage`. In a larger one every value of up to a quarter of a MiB
 * does; longer strings are masked part by part (`TextStream`, `JsonStream` say what that means). Where something passed
 * on already turns out to be a secret (a pair whose value comes a quarter of a MiB before its name) it throws.
 *
 * The time limit of a message, in which waiting for pieces does not count, grows by half of it for each MiB.
 */
export interface MaskStream {
  push(chunk: Uint8Array): readonly Uint8Array[];
  end(): { readonly rest: readonly Uint8Array[]; readonly masked: MaskedCounts };
}

export interface MaskStreamOptions {
  readonly limits: Omit<ScanLimits, "budget">;
  readonly maxMillis: number;
  /** Masks a message that is small enough to be kept whole. */
  readonly maskMessage: (payload: Uint8Array) => { payload: Uint8Array; masked: MaskedCounts };
  readonly windows?: Windows;
}

const MIB = 1024 * 1024;
const MILLIS_SHARE_PER_MIB = 1 / 2;
const NOTHING: readonly Uint8Array[] = [];

export function openMaskStream(options: MaskStreamOptions): MaskStream {
  const stream = new WindowedMaskStream(options);
  let isOver = false;
  const guarded = <Result>(work: () => Result): Result => {
    if (isOver) throw new UnmaskableError("internal");
    isOver = true;
    try {
      const result = work();
      isOver = false;
      return result;
    } catch (error) {
      throw error instanceof UnmaskableError ? error : new UnmaskableError("internal");
    }
  };
  return {
    push: (chunk) => guarded(() => stream.push(chunk)),
    end: () => {
      const result = guarded(() => stream.end());
      isOver = true;
      return result;
    },
  };
}

class WindowedMaskStream implements MaskStream {
  readonly #options: MaskStreamOptions;
  readonly #windows: Windows;
  readonly #budget: Budget;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  /** Whole blocks, as long as the message may still be small. */
  #blocks: Uint8Array[] = [];
  #block: Uint8Array;
  #filled = 0;
  #large: { readonly document: JsonStream; readonly output: Output } | undefined;

  constructor(options: MaskStreamOptions) {
    this.#options = options;
    this.#windows = options.windows ?? WINDOWS;
    this.#budget = new Budget(options.maxMillis);
    this.#budget.pause();
    this.#block = new Uint8Array(this.#windows.block);
  }

  push(chunk: Uint8Array): readonly Uint8Array[] {
    const { maxMillis } = this.#options;
    this.#budget.resume((chunk.length / MIB) * MILLIS_SHARE_PER_MIB * maxMillis);
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + this.#block.length - this.#filled);
      this.#block.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === this.#block.length) this.#takeBlock();
    }
    this.#budget.pause();
    return this.#large?.output.take() ?? NOTHING;
  }

  end(): { rest: readonly Uint8Array[]; masked: MaskedCounts } {
    const last = this.#block.subarray(0, this.#filled);
    if (!this.#large) {
      const whole = joined([...this.#blocks, last]);
      this.#blocks = [];
      const { payload, masked } = this.#options.maskMessage(whole);
      return { rest: [payload], masked };
    }
    this.#budget.resume(0);
    const { document, output } = this.#large;
    this.#read(document, this.#decode(last, false));
    if (!document.end()) throw new UnmaskableError("invalid_json");
    return { rest: output.takeRest(), masked: output.masked };
  }

  #takeBlock(): void {
    const block = this.#block;
    this.#filled = 0;
    if (this.#large) {
      this.#read(this.#large.document, this.#decode(block, true));
      return;
    }
    this.#blocks.push(block);
    this.#block = new Uint8Array(this.#windows.block);
    if (this.#blocks.length * block.length > this.#windows.message) this.#becomeLarge();
  }

  #becomeLarge(): void {
    const { limits } = this.#options;
    const output = new Output();
    const scan = new Scan({ ...limits, budget: this.#budget });
    const document = openDocument({ scan, windows: this.#windows }, output, 0);
    this.#large = { document, output };
    for (const block of this.#blocks) this.#read(document, this.#decode(block, true));
    this.#blocks = [];
  }

  #decode(bytes: Uint8Array, hasMore: boolean): string {
    try {
      return this.#decoder.decode(bytes, { stream: hasMore });
    } catch {
      throw new UnmaskableError("invalid_utf8");
    }
  }

  #read(document: JsonStream, text: string): void {
    this.#budget.check();
    if (!document.push(text)) throw new UnmaskableError("invalid_json");
  }
}

function joined(blocks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    whole.set(block, at);
    at += block.length;
  }
  return whole;
}
