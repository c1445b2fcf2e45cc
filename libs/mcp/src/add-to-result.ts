import type { McpResponse } from "./message.js";

/** What is added to a result. */
export interface ResultAddition {
  /** A member of `_meta`; one of this name that is there already is replaced. `value` must survive JSON.stringify. */
  readonly meta: { readonly key: string; readonly value: object };
  /** A text item at the end of `content`. */
  readonly text?: string | undefined;
}

/**
 * The response with what is added to its result, byte for byte the same otherwise. What has no place for it (an error, a
 * result that is no object, `_meta` or `content` of another type) stays without it; `content` is not made where there is none.
 */
export function addToResult(_response: McpResponse, _addition: ResultAddition): Uint8Array {
  throw new Error("not there yet");
}
