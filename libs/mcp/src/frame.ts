/**
 * A message as it was framed. Up to a size it comes whole; a larger one begins, comes in parts, which joined are the
 * message, and ends: nobody has to keep it. Bytes may be views of the chunk that was pushed: use or copy them at once.
 */
export type Frame =
  | {
      readonly kind: "whole";
      readonly bytes: Uint8Array;
      /** Of an event stream: the event's type. */
      readonly event?: string;
      /** Of an event stream: when this event has an id of its own. */
      readonly id?: string;
    }
  | { readonly kind: "begin" }
  | { readonly kind: "part"; readonly bytes: Uint8Array }
  | { readonly kind: "end" };

/** What is not data is larger than allowed. The framer stays refused: what follows would be a guess. */
export class FrameTooLargeError extends Error {
  override readonly name = "FrameTooLargeError";
  /** The frames of the same chunk that came before it. */
  readonly completeFrames: readonly Frame[];

  constructor(message: string, completeFrames: readonly Frame[]) {
    super(message);
    this.completeFrames = completeFrames;
  }
}
