import type { MaskedCounts } from "./masker.js";
import { UnmaskableError } from "./unmaskable.js";

/**
 * Masks one JSON-RPC message that comes in pieces. What the methods return, joined, is the masked message. They throw
 * `UnmaskableError`, and nothing else, when it must not be passed on; the stream is over then, and what it already gave
 * must not be shown to anybody.
 */
export interface MaskStream {
  push(chunk: Uint8Array): readonly Uint8Array[];
  end(): { readonly rest: readonly Uint8Array[]; readonly masked: MaskedCounts };
}

type MaskMessage = (payload: Uint8Array) => { payload: Uint8Array; masked: MaskedCounts };

/** Collects the message and masks it whole. */
export class CollectingMaskStream implements MaskStream {
  readonly #maxBytes: number;
  readonly #maskMessage: MaskMessage;
  #chunks: Uint8Array[] | undefined = [];
  #length = 0;

  constructor(maxBytes: number, maskMessage: MaskMessage) {
    this.#maxBytes = maxBytes;
    this.#maskMessage = maskMessage;
  }

  push(chunk: Uint8Array): readonly Uint8Array[] {
    if (!this.#chunks) throw new UnmaskableError("internal");
    this.#length += chunk.length;
    if (this.#length > this.#maxBytes) {
      this.#chunks = undefined;
      throw new UnmaskableError("too_large");
    }
    this.#chunks.push(chunk.slice());
    return [];
  }

  end(): { rest: readonly Uint8Array[]; masked: MaskedCounts } {
    if (!this.#chunks) throw new UnmaskableError("internal");
    const whole = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = undefined;
    const { payload, masked } = this.#maskMessage(whole);
    return { rest: [payload], masked };
  }
}
