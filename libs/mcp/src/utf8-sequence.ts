/** Lead bytes, and how many bytes have to follow; what the first of them may be (Unicode 17, table 3-7). */
const LEADS: readonly { from: number; to: number; follow: number; low: number; high: number }[] = [
  { from: 0xc2, to: 0xdf, follow: 1, low: 0x80, high: 0xbf },
  { from: 0xe0, to: 0xe0, follow: 2, low: 0xa0, high: 0xbf },
  { from: 0xe1, to: 0xec, follow: 2, low: 0x80, high: 0xbf },
  { from: 0xed, to: 0xed, follow: 2, low: 0x80, high: 0x9f },
  { from: 0xee, to: 0xef, follow: 2, low: 0x80, high: 0xbf },
  { from: 0xf0, to: 0xf0, follow: 3, low: 0x90, high: 0xbf },
  { from: 0xf1, to: 0xf3, follow: 3, low: 0x80, high: 0xbf },
  { from: 0xf4, to: 0xf4, follow: 3, low: 0x80, high: 0x8f },
];

/** Checks characters of more than one byte, byte by byte. */
export class Utf8Sequence {
  #follow = 0;
  #low = 0;
  #high = 0;

  get isComplete(): boolean {
    return this.#follow === 0;
  }

  /** False when the byte cannot be where it is. */
  add(byte: number): boolean {
    if (this.#follow === 0) return this.#begin(byte);
    if (byte < this.#low || byte > this.#high) return false;
    this.#follow--;
    this.#low = 0x80;
    this.#high = 0xbf;
    return true;
  }

  #begin(byte: number): boolean {
    const lead = LEADS.find(({ from, to }) => byte >= from && byte <= to);
    if (lead === undefined) return false;
    this.#follow = lead.follow;
    this.#low = lead.low;
    this.#high = lead.high;
    return true;
  }
}
