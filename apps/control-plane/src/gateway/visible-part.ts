import {
  filterListResult,
  isPlainUri,
  type McpResponse,
  METHODS,
  NotAListResultError,
} from "@drawbridge/mcp";
import { couldBeAllowed } from "@drawbridge/policy";
import type { Question } from "./decide.js";
import type { LiveSnapshot } from "./live-state.js";

/** Lists hold only what could be called. Undefined when a list is none, and so cannot be filtered. */
export function visiblePart(
  response: McpResponse,
  question: Question,
  { policies, targets }: LiveSnapshot,
): Uint8Array | undefined {
  const governance = METHODS.get(question.message.method)?.governance;
  if (governance?.as !== "list" || response.isError) return response.bytes;
  const { context } = question;
  const target = targets.get(question.target.name);
  const keep = (name: string) =>
    target !== undefined &&
    (governance.list !== "resources" || isPlainUri(name)) &&
    couldBeAllowed(policies, { target, method: governance.call, name }, context);
  try {
    return filterListResult(response, governance.list, keep);
  } catch (error) {
    if (error instanceof NotAListResultError) return undefined;
    throw error;
  }
}
