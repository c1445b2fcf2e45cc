import { createHash } from "node:crypto";
import {
  filterListResult,
  type JsonView,
  type McpRequest,
  type McpResponse,
  parseMessage,
  toolDefinitions,
  toolDigest,
} from "@drawbridge/mcp";
import { declarationsIn } from "../targets/header-declarations.js";
import { jsonMember } from "../targets/json-member.js";

/** Nobody can call what is named longer: see parseMessage. */
const LONGEST_NAME = 8_192;
const LARGEST_DEFINITION_BYTES = 256 * 1024;
const TOO_LARGE = new Uint8Array();
/** A tool that names no header, escaped or not, need not be read for them. */
const MAY_NAME_A_HEADER = /x-mcp-header|\\u/i;

/** What is remembered of a tool: nothing of its text but what says which arguments go into headers. */
export interface SeenTool {
  readonly name: string;
  readonly digest: Uint8Array;
  /** Undefined when it wants none, or nobody asked. */
  readonly headers: JsonView | undefined;
}

/** A tool as the control plane hears of it. */
export interface ShownTool extends SeenTool {
  /** As the name is shown to clients. */
  readonly maskedName: string;
  /** Masked; empty when it is too large. */
  readonly definition: Uint8Array;
  /** Of the definition as it came, in bytes. */
  readonly size: number;
}

export interface PageOptions {
  /** The same response, masked; the very bytes when nothing in it was. */
  readonly masked: Uint8Array;
  readonly wantsHeaders: boolean;
}

/** The tools of one answer to tools/list, one at a time. Throws NotAListResultError for anything else. */
export function* toolsOfPage(
  response: McpResponse,
  { masked, wantsHeaders }: PageOptions,
): Generator<ShownTool> {
  const tools = toolDefinitions(response);
  const shown = masked === response.bytes ? tools : toolDefinitions(parseMessage(masked));
  // Masking leaves the shape. What it has not left nobody could put together again.
  if (shown.length !== tools.length) throw new Error("its list of tools cannot be masked");
  for (const [index, { name, bytes }] of tools.entries()) {
    const definition = shown[index];
    if (name.length > LONGEST_NAME || !definition) continue;
    yield {
      name,
      digest: toolDigest(bytes),
      headers: wantsHeaders ? declaredHeaders(bytes) : undefined,
      maskedName: definition.name,
      definition: definition.bytes.length > LARGEST_DEFINITION_BYTES ? TOO_LARGE : definition.bytes,
      size: bytes.length,
    };
  }
}

/** Where the next page is to be had; undefined: this is the last one. Throws NotAListResultError. */
export function nextCursorOf(response: McpResponse): string | undefined {
  const withoutTools = filterListResult(response, "tools", () => false);
  const cursor = jsonMember(jsonMember(parse(withoutTools), "result"), "nextCursor");
  return typeof cursor === "string" ? cursor : undefined;
}

/** Stands for the cursor of a request or an answer, which may be of any length. */
export type PageKey = string;
/** Of a request without a cursor. */
export const FIRST_PAGE: PageKey = "first";

/** Which page a request asks for. */
export function pageAskedFor(request: McpRequest): PageKey {
  const { params } = request.ranges;
  if (params === undefined) return FIRST_PAGE;
  const cursor = jsonMember(parse(request.bytes.subarray(...params)), "cursor");
  return cursor === undefined ? FIRST_PAGE : pageKey(cursor);
}

export function pageKey(cursor: JsonView): PageKey {
  return createHash("sha256").update(JSON.stringify(cursor)).digest("base64");
}

function declaredHeaders(definition: Uint8Array): JsonView | undefined {
  if (!MAY_NAME_A_HEADER.test(textOf(definition))) return undefined;
  return declarationsIn(jsonMember(parse(definition), "inputSchema"));
}

/** Numbers are of no interest here: nothing declares with one. */
function parse(bytes: Uint8Array): JsonView {
  return JSON.parse(textOf(bytes)) as JsonView;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
