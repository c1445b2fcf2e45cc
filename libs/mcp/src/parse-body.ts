import { JsonScanner, OPEN_BRACKET, type Range } from "./json-scanner.js";
import { MalformedMessageError } from "./malformed-message-error.js";
import type { McpMessage } from "./message.js";
import { checkEncoding, depthLimit, parseMessage, type ParseLimits } from "./parse-message.js";

/** Each one is decided, recorded and carried on its own. */
const MAX_BATCH = 100;
/** It is read in one turn of the event loop, in which nobody else is served. */
const MAX_KEYS = 200_000;

export interface ParsedBody {
  /** Whether it was an array, even of one. */
  readonly isBatch: boolean;
  /** In order; one that is malformed is its error. */
  readonly messages: readonly (McpMessage | MalformedMessageError)[];
}

/**
 * Reads one message, or a batch of them (JSON-RPC 2.0 §6; MCP has them at 2025-03-26 only, whether one may be sent is for
 * the caller to say). Throws MalformedMessageError for what is not JSON, for a malformed message that is not in a batch
 * (see parseMessage), and for a batch that is empty, has another in it or has more than 100 messages. All of it may have
 * 200,000 keys unless told.
 */
export function parseBody(
  bytes: Uint8Array,
  { maxKeys = MAX_KEYS, ...others }: ParseLimits = {},
): ParsedBody {
  const limits = { ...others, maxKeys };
  const scanner = new JsonScanner(bytes, depthLimit(limits), maxKeys);
  const start = scanner.skipWhitespace(0);
  if (bytes[start] !== OPEN_BRACKET) return { isBatch: false, messages: [parseMessage(bytes, limits)] };
  checkEncoding(bytes);
  const ranges = elementRanges(scanner, start);
  return { isBatch: true, messages: ranges.map((range) => parseElement(bytes.subarray(...range), limits)) };
}

function elementRanges(scanner: JsonScanner, start: number): readonly Range[] {
  const ranges: Range[] = [];
  const end = scanner.array(start, 1, (at) => {
    if (scanner.bytes[at] === OPEN_BRACKET)
      throw batchError("a batch within a batch: send one array of messages");
    if (ranges.length === MAX_BATCH) throw batchError(`batch too large: the limit is ${MAX_BATCH} messages`);
    const range = [at, scanner.value(at, 1)] as const;
    ranges.push(range);
    return range[1];
  });
  scanner.end(end);
  if (ranges.length === 0) throw batchError("empty batch: send at least one message");
  return ranges;
}

function batchError(message: string): MalformedMessageError {
  return new MalformedMessageError("batch", message);
}

function parseElement(bytes: Uint8Array, limits: ParseLimits): McpMessage | MalformedMessageError {
  try {
    return parseMessage(bytes, limits);
  } catch (error) {
    if (error instanceof MalformedMessageError) return error;
    throw error;
  }
}
