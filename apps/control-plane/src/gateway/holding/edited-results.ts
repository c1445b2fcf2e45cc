import { addToResult, type McpResponse, parseMessage } from "@drawbridge/mcp";

/** Ours in `_meta` of what callers are told about approvals. */
export const APPROVAL_META = "io.drawbridge/approval";

// Pointers may be as long as a thousand characters, and a hundred places may have been changed.
const MOST_NAMED = 20;

/** A call that an approver changed before it ran, for its answer. */
export interface EditedCall {
  /** Of the approval. */
  readonly id: string;
  readonly by: string | undefined;
  readonly comment: string | undefined;
  /** JSON pointers into the arguments, never their values. Empty where nobody knows them any more. */
  readonly changed: readonly string[];
}

/**
 * The response, as it is told to whoever asked for something else: `_meta["io.drawbridge/approval"]` of its result, and of a
 * tool's result a text at the end of its content. Errors, and results that have no place for it, stay as they are; what an
 * output schema speaks of is never touched.
 */
export function tellOfEdits(response: McpResponse, method: string, edited: EditedCall): McpResponse {
  const { id, by, comment } = edited;
  const value = {
    id,
    edited: true,
    ...(by === undefined ? {} : { by: by.toWellFormed() }),
    ...(comment === undefined ? {} : { comment: comment.toWellFormed() }),
  };
  const text = method === "tools/call" ? textOf(edited) : undefined;
  // What was added is neither deep nor large: what was a message still is one.
  return parseMessage(addToResult(response, { meta: { key: APPROVAL_META, value }, text })) as McpResponse;
}

function textOf({ changed, comment }: EditedCall): string {
  const named = changed.slice(0, MOST_NAMED).join(", ");
  const more = changed.length > MOST_NAMED ? ` and ${changed.length - MOST_NAMED} more` : "";
  const what = changed.length > 0 ? `: ${named}${more}` : "";
  const why = comment === undefined ? "" : `. They say: ${comment}`;
  return `An approver changed the arguments of this call before it ran${what}${why}`.toWellFormed();
}
