import type { Range } from "./json-scanner.js";
import type { JsonRpcId } from "./json-rpc-id.js";
import type { McpMessage } from "./message.js";
import { replaceRanges } from "./replace-ranges.js";

/** Replacements for what ties messages to each other. */
export interface MessageIds {
  readonly id?: JsonRpcId | undefined;
  readonly progressToken?: JsonRpcId | undefined;
  /** `params.requestId` of notifications/cancelled. */
  readonly requestId?: JsonRpcId | undefined;
  readonly subscriptionId?: JsonRpcId | undefined;
}

const PLACES = ["id", "progressToken", "requestId", "subscriptionId"] as const;

/** The message with those of its ids replaced that are given and that it has; byte for byte the same otherwise. */
export function rewriteIds(message: McpMessage, ids: MessageIds): Uint8Array {
  // What is there and is no id, such as null, ties it to nothing.
  const present: MessageIds = message;
  const replacements = PLACES.flatMap((place) => {
    const range: Range | undefined = message.ranges[place];
    const id = ids[place];
    if (range === undefined || id === undefined || present[place] === undefined) return [];
    return [{ range, text: id.text }];
  });
  if (replacements.length === 0) return message.bytes;
  return replaceRanges(
    message.bytes,
    replacements.toSorted((one, other) => one.range[0] - other.range[0]),
  );
}
