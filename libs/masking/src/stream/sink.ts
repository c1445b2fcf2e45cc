import { replacementOf, type Edit } from "../edits.js";
import type { MaskedCounts } from "../masked-counts.js";

/** What stands for a masked range. */
export type Replacement = Pick<Edit, "kind" | "number">;

/**
 * Takes a text in order, piece by piece, as what is to become of it. The text is the raw one of its level: that of the
 * message, or the value of a string in it.
 */
export interface Sink {
  keep(text: string): void;
  /** Without `by` the piece goes on with what was replaced right before. */
  replace(text: string, by: Replacement | undefined): void;
}

const CHUNK = 64 * 1024;
const ENCODER = new TextEncoder();

/** The sink of the message itself: makes bytes and counts. */
export class Output implements Sink {
  readonly masked: MaskedCounts = {};
  #chunks: Uint8Array[] = [];
  #text = "";

  keep(text: string): void {
    this.#text += text;
    if (this.#text.length >= CHUNK) this.#encode();
  }

  replace(_text: string, by: Replacement | undefined): void {
    if (!by) return;
    this.masked[by.kind] = (this.masked[by.kind] ?? 0) + 1;
    this.#text += replacementOf(by);
  }

  /** The bytes that were made since the last time. */
  take(): readonly Uint8Array[] {
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }

  takeRest(): readonly Uint8Array[] {
    if (this.#text !== "") this.#chunks.push(ENCODER.encode(this.#text));
    this.#text = "";
    return this.take();
  }

  /** A character outside the basic plane is two units, of which the second may come with the next piece. */
  #encode(): void {
    const end = isHighSurrogate(this.#text, this.#text.length - 1)
      ? this.#text.length - 1
      : this.#text.length;
    this.#chunks.push(ENCODER.encode(this.#text.slice(0, end)));
    this.#text = this.#text.slice(end);
  }
}

export function isHighSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xd800 && code <= 0xdbff;
}
