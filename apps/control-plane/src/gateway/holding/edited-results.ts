import type { McpResponse } from "@drawbridge/mcp";

/** A call that an approver changed before it ran, for its answer. */
export interface EditedCall {
  /** Of the approval. */
  readonly id: string;
  readonly by: string | undefined;
  readonly comment: string | undefined;
  /** JSON pointers into the arguments, never their values. */
  readonly changed: readonly string[];
}

/**
 * The response, as it is told to who asked for something else: `_meta["io.drawbridge/approval"]` of its result, and of a
 * tool's result a text at the end of its content. Errors, and results that have no place for it, stay as they are.
 */
export function tellOfEdits(_response: McpResponse, _method: string, _edited: EditedCall): Uint8Array {
  throw new Error("not there yet");
}
