/** How much is looked at together, in bytes or UTF-16 units. What is smaller is masked as in a whole message. */
export interface Windows {
  /** A message no longer than this is masked whole. */
  readonly message: number;
  /** Decoding goes on in pieces of this size, wherever the caller cuts, so that cuts never show in the result. */
  readonly block: number;
  /** A value of a large message: an object, an array or a string. */
  readonly value: number;
  /** A part of a text, and what must have been seen behind it. A candidate as long as `ahead` is seen whole. */
  readonly segment: number;
  readonly ahead: number;
  /** Of a candidate that is still longer this much of its head decides where it ends. */
  readonly head: number;
}

export const WINDOWS: Windows = {
  message: 512 * 1024,
  block: 64 * 1024,
  value: 256 * 1024,
  segment: 512 * 1024,
  ahead: 64 * 1024,
  head: 32 * 1024,
};
