import { isUtf8 } from "node:buffer";
import { isModernOrLater } from "./eras.js";
import { FoundMembers } from "./found-members.js";
import type { JsonRpcId } from "./json-rpc-id.js";
import { JsonScanner, OPEN_BRACE, OPEN_BRACKET } from "./json-scanner.js";
import { MalformedMessageError } from "./malformed-message-error.js";
import type {
  ClientInfo,
  McpMessage,
  McpNotification,
  McpRequest,
  McpResponse,
  ProtocolVersionClaim,
} from "./message.js";
import { METHODS, type NameSource } from "./methods.js";
import { MetaKey, scanMessage } from "./wanted-members.js";

export const DEFAULT_MAX_DEPTH = 128;
/** What a large message may have open at one time, see LargeMessageScanner. */
const DEFAULT_MAX_KEYS = 1_000_000;
/** The scanner recurses: more than this could exhaust the stack. */
const GREATEST_MAX_DEPTH = 1000;

const META_VERSION = `params _meta ${MetaKey.protocolVersion}`;
const META_CLIENT = `params _meta ${MetaKey.clientInfo}`;
const META_CAPABILITIES = `params _meta ${MetaKey.clientCapabilities}`;
const CALL_SUBSCRIPTION = `params _meta ${MetaKey.subscriptionId}`;
const RESULT_SUBSCRIPTION = `result _meta ${MetaKey.subscriptionId}`;

export interface ParseLimits {
  /** Containers within each other; 128 unless told, at most 1000. */
  readonly maxDepth?: number;
  /** Members of all objects together: of one million that are in one object, each takes a microsecond and 100 bytes. */
  readonly maxKeys?: number;
}

export function depthLimit({ maxDepth = DEFAULT_MAX_DEPTH }: ParseLimits): number {
  return Math.min(maxDepth, GREATEST_MAX_DEPTH);
}

/**
 * Reads one JSON-RPC message, strictly and losslessly: what is not needed here stays in `bytes` as it came.
 * Throws nothing but MalformedMessageError, for every message that two readers could understand differently:
 * see MalformedReason. Bounds depth, keys (a million unless told), ids and names; the size of the message is for the transport to bound.
 */
export function parseMessage(bytes: Uint8Array, limits: ParseLimits = {}): McpMessage {
  checkEncoding(bytes);
  const scanner = new JsonScanner(bytes, depthLimit(limits), limits.maxKeys ?? DEFAULT_MAX_KEYS);
  const members = new FoundMembers(scanner);
  try {
    scanRoot(scanner, members);
    return readMessage(bytes, members);
  } catch (error) {
    throw withId(error, members);
  }
}

export function checkEncoding(bytes: Uint8Array): void {
  if (!isUtf8(bytes))
    throw new MalformedMessageError("invalid_utf8", "invalid UTF-8: encode the message as UTF-8");
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw new MalformedMessageError("byte_order_mark", "byte order mark: send the message without one");
  }
}

function scanRoot(scanner: JsonScanner, members: FoundMembers): void {
  const start = scanner.skipWhitespace(0);
  const first = scanner.bytes[start];
  if (first === OPEN_BRACKET) {
    throw new MalformedMessageError("batch", "batches are not supported: send each message on its own");
  }
  if (first !== OPEN_BRACE) {
    scanner.end(scanner.value(start, 1));
    throw new MalformedMessageError("not_an_object", "not an object: send one JSON-RPC 2.0 object");
  }
  scanner.end(scanMessage(scanner, start, members.ranges));
  if (scanner.refusal !== undefined) {
    throw new MalformedMessageError(scanner.refusal.reason, scanner.refusal.message);
  }
}

/** A parse error has no id (JSON-RPC 2.0 §5.1); any other is answered to the one that could be read. */
export function withId(error: unknown, members: FoundMembers): unknown {
  if (!(error instanceof MalformedMessageError) || error.rpcCode === -32700) return error;
  const id = members.id("id");
  return id === undefined ? error : new MalformedMessageError(error.reason, error.message, id);
}

export function readMessage(bytes: Uint8Array, members: FoundMembers): McpMessage {
  if (members.string("jsonrpc", "invalid_version") !== "2.0") {
    throw new MalformedMessageError("invalid_version", 'not JSON-RPC 2.0: set "jsonrpc" to "2.0"');
  }
  return members.has("method") ? readCall(bytes, members) : readResponse(bytes, members);
}

function readCall(bytes: Uint8Array, members: FoundMembers): McpRequest | McpNotification {
  const method = readMethod(members);
  if (members.has("params") && !members.isObject("params")) {
    throw new MalformedMessageError(
      "invalid_params",
      "params is not an object: send an object or leave it out",
    );
  }
  const { ranges } = members;
  const call = {
    bytes,
    method,
    name: readName(members, method),
    progressToken: readProgressToken(members, method),
    requestId: members.id("params requestId"),
    subscriptionId: members.id(CALL_SUBSCRIPTION),
    protocolVersionClaim: readVersionClaim(members, method),
    clientInfo: readClientInfo(members, META_CLIENT) ?? readClientInfo(members, "params clientInfo"),
    ranges: {
      id: ranges.get("id"),
      params: ranges.get("params"),
      meta: ranges.get("params _meta"),
      clientCapabilities: ranges.get(META_CAPABILITIES),
      subscriptionId: ranges.get(CALL_SUBSCRIPTION),
      arguments: ranges.get("params arguments"),
      progressToken: ranges.get(progressTokenPath(method)),
      requestId: ranges.get("params requestId"),
    },
  };
  return members.has("id")
    ? { kind: "request", id: readId(members), ...call }
    : { kind: "notification", ...call };
}

function readMethod(members: FoundMembers): string {
  const method = members.string("method", "invalid_method");
  if (method === undefined || method === "") {
    throw new MalformedMessageError("invalid_method", "method is not a string: send the name of a method");
  }
  if (members.has("result") || members.has("error")) {
    throw new MalformedMessageError(
      "ambiguous_kind",
      "both a request and a response: send method, result or error",
    );
  }
  return method;
}

function readId(members: FoundMembers): JsonRpcId {
  const id = members.id("id");
  if (id === undefined) {
    throw new MalformedMessageError(
      "invalid_id",
      "id is not usable: send a string or an integer of at most 1 KiB",
    );
  }
  return id;
}

const NAME_PATHS: Readonly<Record<Exclude<NameSource, "ref">, string>> = {
  name: "params name",
  uri: "params uri",
  taskId: "params taskId",
};

function readName(members: FoundMembers, method: string): string | undefined {
  const governance = METHODS.get(method)?.governance;
  if (governance?.as !== "operation" || governance.name === undefined) return undefined;
  const path = governance.name === "ref" ? refPath(members) : NAME_PATHS[governance.name];
  return path === undefined ? undefined : members.string(path, "invalid_name");
}

/** What a completion is for: the type says which of name and uri counts. */
function refPath(members: FoundMembers): string | undefined {
  const type = members.string("params ref type", "invalid_name");
  if (type === "ref/prompt") return "params ref name";
  return type === "ref/resource" ? "params ref uri" : undefined;
}

function progressTokenPath(method: string): string {
  return method === "notifications/progress" ? "params progressToken" : "params _meta progressToken";
}

function readProgressToken(members: FoundMembers, method: string): JsonRpcId | undefined {
  const path = progressTokenPath(method);
  if (!members.has(path)) return undefined;
  const token = members.id(path);
  if (token !== undefined) return token;
  throw new MalformedMessageError(
    "invalid_progress_token",
    "progressToken is not usable: send a string or an integer of at most 1 KiB",
  );
}

function readVersionClaim(members: FoundMembers, method: string): ProtocolVersionClaim | undefined {
  const from = claimsInMeta(members, method) ? "meta" : "initialize";
  if (from === "initialize" && method !== "initialize") return undefined;
  const path = from === "meta" ? META_VERSION : "params protocolVersion";
  const version = members.string(path, "invalid_protocol_version");
  if (version !== undefined) return { version, from };
  throw new MalformedMessageError(
    "invalid_protocol_version",
    "no protocol version: send a revision such as 2025-11-25",
  );
}

/** The handshake of the revisions before is one even where its `_meta` says so too. */
function claimsInMeta(members: FoundMembers, method: string): boolean {
  if (!members.has(META_VERSION)) return false;
  if (method !== "initialize") return true;
  return isModernOrLater(members.string(META_VERSION, "invalid_protocol_version") ?? "");
}

function readClientInfo(members: FoundMembers, path: string): ClientInfo | undefined {
  if (!members.isObject(path)) return undefined;
  return {
    name: members.string(`${path} name`, "invalid_params"),
    version: members.string(`${path} version`, "invalid_params"),
  };
}

function readResponse(bytes: Uint8Array, members: FoundMembers): McpResponse {
  const isError = members.has("error");
  if (isError === members.has("result")) {
    throw new MalformedMessageError(
      "ambiguous_kind",
      "no message: send exactly one of method, result and error",
    );
  }
  if (isError && !members.isObject("error")) {
    throw new MalformedMessageError("invalid_error", "error is not an object: send code and message");
  }
  const { ranges } = members;
  const id = isError && (!members.has("id") || members.isNull("id")) ? undefined : readId(members);
  return {
    kind: "response",
    bytes,
    id,
    isError,
    subscriptionId: members.id(RESULT_SUBSCRIPTION),
    ranges: {
      id: ranges.get("id"),
      result: ranges.get("result"),
      error: ranges.get("error"),
      subscriptionId: ranges.get(RESULT_SUBSCRIPTION),
    },
  };
}
