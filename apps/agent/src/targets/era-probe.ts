import {
  errorCodeOf,
  jsonRpcId,
  jsonView,
  type JsonView,
  LEGACY_REVISIONS,
  type McpRequest,
  type McpResponse,
  parseMessage,
  requestMessage,
  RpcErrorCode,
} from "@drawbridge/mcp";
import { jsonMember } from "./json-member.js";
import { AGENT_INFO, modernRequest } from "./modern-envelope.js";

const MAX_REVISIONS = 32;
/** Goes on to the control plane and to clients, unmasked: a date, or a draft as the specification names its own. */
const REVISION = /^(?:(?:DRAFT-)?[0-9]{4}-[0-9]{2}-[0-9]{2}|DRAFT-[0-9]{4}-v[0-9]{1,3})$/;

/** What has to be known of a target: whether it speaks modern revisions, or all that it speaks. */
export type Asked = "modern" | "all";

export interface Learned {
  /** Oldest first, never empty. */
  readonly revisions: readonly string[];
  /** False: it may speak legacy revisions beside these. */
  readonly isWhole: boolean;
}

/** What an answer to a probe says. `no`: the server does not speak the era it was asked in. */
export type Verdict = readonly string[] | "no";

/** Whether a server speaks the modern era; it says which revisions. */
export function discoverRequest(): McpRequest {
  return modernRequest(jsonRpcId(1), "server/discover");
}

/** Whether a server speaks the legacy era; it says which revision it would negotiate. */
export function initializeRequest(): McpRequest {
  const params = { protocolVersion: LEGACY_REVISIONS.at(-1), capabilities: {}, clientInfo: AGENT_INFO };
  const message = parseMessage(requestMessage(jsonRpcId(1), "initialize", params));
  if (message.kind !== "request") throw new TypeError("what was made as a request is none");
  return message;
}

export function discoverVerdict(response: McpResponse): Verdict {
  return orNo(
    response.isError ? revisionsOfRefusal(response) : revisionsIn(resultOf(response), "supportedVersions"),
  );
}

export function initializeVerdict(response: McpResponse): Verdict {
  if (response.isError) return orNo(revisionsOfRefusal(response));
  return orNo([jsonMember(resultOf(response), "protocolVersion")].filter(isRevision));
}

/** Both verdicts together, oldest first. */
export function allRevisions(...verdicts: readonly (Verdict | undefined)[]): readonly string[] {
  const revisions = verdicts.flatMap((verdict) => (verdict === undefined || verdict === "no" ? [] : verdict));
  return [...new Set(revisions)].toSorted();
}

/** -32022 says what is spoken instead; any other error says nothing. */
function revisionsOfRefusal(response: McpResponse): string[] {
  if (errorCodeOf(response) !== RpcErrorCode.UnsupportedProtocolVersion) return [];
  return revisionsIn(jsonMember(viewOf(response, "error"), "data"), "supported");
}

function revisionsIn(value: JsonView | undefined, name: string): string[] {
  const list = jsonMember(value, name);
  return Array.isArray(list) ? (list as JsonView[]).slice(0, MAX_REVISIONS).filter(isRevision) : [];
}

function resultOf(response: McpResponse): JsonView | undefined {
  return viewOf(response, "result");
}

function viewOf(response: McpResponse, name: "result" | "error"): JsonView | undefined {
  const range = response.ranges[name];
  return range && jsonView(Buffer.from(response.bytes.subarray(...range)).toString("utf8"));
}

function isRevision(value: JsonView | undefined): value is string {
  return typeof value === "string" && REVISION.test(value);
}

function orNo(revisions: readonly string[]): Verdict {
  return revisions.length === 0 ? "no" : revisions;
}

/** The response among what a server says; anything else it says is of no interest to a probe. */
export function responseIn(payload: Uint8Array): McpResponse | undefined {
  try {
    const message = parseMessage(payload);
    return message.kind === "response" ? message : undefined;
  } catch {
    return undefined;
  }
}
