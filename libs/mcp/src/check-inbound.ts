import { isModernOrLater, isModernRevision, MODERN_REVISIONS } from "./eras.js";
import { decodeHeaderValue, withoutBlanksAround } from "./header-values.js";
import type { McpMessage, McpNotification, McpRequest } from "./message.js";
import { ObjectMembers } from "./object-members.js";
import { RpcErrorCode } from "./rpc-error-codes.js";
import { namedInHeader, takesNameHeader } from "./standard-headers.js";
import { MetaKey } from "./wanted-members.js";

/** What the request said in the headers of the same names; absent ones are undefined. */
export interface InboundHeaders {
  readonly protocolVersion?: string | undefined;
  readonly method?: string | undefined;
  readonly name?: string | undefined;
}

/** The answer to a request that goes no further: an HTTP status and the JSON-RPC error in its body. */
export interface InboundRefusal {
  readonly status: number;
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

type Call = McpRequest | McpNotification;
type Check = (message: Call, headers: InboundHeaders) => InboundRefusal | undefined;

/** The first that refuses is what the client is told: the order is part of the protocol. */
const MODERN_REQUEST: readonly Check[] = [
  checkEnvelope,
  checkVersionHeader,
  checkMethodHeader,
  checkVersion,
  requireHeaders,
  checkNameHeader,
];
const LEGACY_REQUEST: readonly Check[] = [requireEnvelope];
/** Notifications need no envelope: then the header says which revision they are of. */
const NOTIFICATION: readonly Check[] = [checkNotification];

/**
 * What is wrong between the headers and the body of a POST, or with its envelope (2026-07-28, Streamable HTTP and Versioning);
 * undefined when all is well. The body says which era it is of, see eraOf; the headers are only compared with it.
 * Legacy messages are refused only where a header says that they are modern.
 */
export function checkInbound(message: McpMessage, headers: InboundHeaders): InboundRefusal | undefined {
  if (message.kind === "response") return undefined;
  const trimmed = {
    protocolVersion: trim(headers.protocolVersion),
    method: trim(headers.method),
    name: trim(headers.name),
  };
  for (const check of checksFor(message)) {
    const refusal = check(message, trimmed);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function checksFor(message: Call): readonly Check[] {
  if (message.kind === "notification") return NOTIFICATION;
  return message.protocolVersionClaim?.from === "meta" ? MODERN_REQUEST : LEGACY_REQUEST;
}

function trim(value: string | undefined): string | undefined {
  return value === undefined ? undefined : withoutBlanksAround(value);
}

/** Modern, says the header, and the body does not. */
function requireEnvelope(message: Call, { protocolVersion }: InboundHeaders): InboundRefusal | undefined {
  if (protocolVersion === undefined || !isModernOrLater(protocolVersion)) return undefined;
  if (message.method === "initialize") {
    return mismatch(
      "MCP-Protocol-Version",
      "initialize is of the revisions before the one the header names: use server/discover",
    );
  }
  const meta = ObjectMembers.of(message, message.ranges.meta);
  const missing = meta === undefined ? ["_meta"] : REQUIRED_KEYS.filter((key) => !meta.range(key));
  return badEnvelope(`${missing.join(" and ")} missing in params: the header names ${protocolVersion}`, {
    missing,
  });
}

const REQUIRED_KEYS = [MetaKey.protocolVersion, MetaKey.clientCapabilities];

const LOG_LEVELS: ReadonlySet<string | undefined> = new Set([
  "debug",
  "info",
  "notice",
  "warning",
  "error",
  "critical",
  "alert",
  "emergency",
]);

function checkEnvelope(message: Call): InboundRefusal | undefined {
  const meta = ObjectMembers.of(message, message.ranges.meta);
  const problem = meta === undefined ? { key: "_meta", problem: "not an object" } : envelopeProblem(meta);
  return problem && badEnvelope(`${problem.key} in _meta: ${problem.problem}`, problem);
}

function envelopeProblem(meta: ObjectMembers): { key: string; problem: string } | undefined {
  const missing = REQUIRED_KEYS.find((key) => !meta.range(key));
  if (missing !== undefined) return { key: missing, problem: "missing" };
  if (!meta.object(MetaKey.clientCapabilities)) {
    return { key: MetaKey.clientCapabilities, problem: "not an object" };
  }
  if (meta.range(MetaKey.clientInfo) && !isClientInfo(meta.object(MetaKey.clientInfo))) {
    return { key: MetaKey.clientInfo, problem: "not an object with a name and a version" };
  }
  if (meta.range(MetaKey.logLevel) && !LOG_LEVELS.has(meta.string(MetaKey.logLevel))) {
    return { key: MetaKey.logLevel, problem: "not a log level" };
  }
  return undefined;
}

function isClientInfo(info: ObjectMembers | undefined): boolean {
  return info?.string("name") !== undefined && info.string("version") !== undefined;
}

function checkVersionHeader(message: Call, { protocolVersion }: InboundHeaders): InboundRefusal | undefined {
  if (protocolVersion === undefined || protocolVersion === message.protocolVersionClaim?.version) {
    return undefined;
  }
  return mismatch("MCP-Protocol-Version", "it differs from the version in _meta: send the same in both");
}

function checkMethodHeader(message: Call, { method }: InboundHeaders): InboundRefusal | undefined {
  if (method === undefined || method === message.method) return undefined;
  return mismatch("Mcp-Method", "it differs from the method of the body: send the same in both");
}

function checkNotification(message: Call, headers: InboundHeaders): InboundRefusal | undefined {
  const claim = message.protocolVersionClaim;
  if (claim?.from === "meta") {
    return checkVersionHeader(message, headers) ?? checkNotificationOf(claim.version, message, headers);
  }
  const { protocolVersion } = headers;
  if (protocolVersion === undefined || !isModernOrLater(protocolVersion)) return undefined;
  return checkNotificationOf(protocolVersion, message, headers);
}

function checkNotificationOf(
  version: string,
  message: Call,
  headers: InboundHeaders,
): InboundRefusal | undefined {
  return (
    (isModernOrLater(version) ? checkMethodHeader(message, headers) : undefined) ?? refuseVersion(version)
  );
}

function checkVersion(message: Call): InboundRefusal | undefined {
  const requested = message.protocolVersionClaim?.version;
  return requested === undefined ? undefined : refuseVersion(requested);
}

function refuseVersion(requested: string): InboundRefusal | undefined {
  if (isModernRevision(requested)) return undefined;
  return {
    status: 400,
    code: RpcErrorCode.UnsupportedProtocolVersion,
    message: "unsupported protocol version: use one of data.supported",
    data: { supported: [...MODERN_REVISIONS], requested },
  };
}

function requireHeaders(
  _message: Call,
  { protocolVersion, method }: InboundHeaders,
): InboundRefusal | undefined {
  if (protocolVersion === undefined) return mismatch("MCP-Protocol-Version", MISSING);
  return method === undefined ? mismatch("Mcp-Method", MISSING) : undefined;
}

const MISSING = "it is missing: send what the body says";

function checkNameHeader(message: Call, { name }: InboundHeaders): InboundRefusal | undefined {
  if (!takesNameHeader(message.method)) return undefined;
  const inBody = namedInHeader(message);
  if (name === undefined) return inBody === undefined ? undefined : mismatch("Mcp-Name", MISSING);
  const inHeader = decodeHeaderValue(name);
  if (inHeader === undefined) return mismatch("Mcp-Name", "it is not Base64 of UTF-8 in its sentinel");
  if (inBody === undefined || inBody === inHeader) return undefined;
  return mismatch("Mcp-Name", "it differs from what the body names: send the same in both");
}

function mismatch(header: string, problem: string): InboundRefusal {
  return {
    status: 400,
    code: RpcErrorCode.HeaderMismatch,
    message: `header ${header} does not fit the body: ${problem}`,
    data: { mismatch: { header, body: problem } },
  };
}

function badEnvelope(problem: string, envelope: unknown): InboundRefusal {
  return {
    status: 400,
    code: RpcErrorCode.InvalidParams,
    message: `invalid envelope: ${problem}`,
    data: { envelope },
  };
}
