export { addToResult, type ResultAddition } from "./add-to-result.js";
export { argumentsView, JsonNumber, jsonView, type JsonView } from "./arguments-view.js";
export { ArgumentEditError, type ArgumentEdit, editArguments } from "./edit-arguments.js";
export {
  cancelledNotification,
  errorResponse,
  notificationMessage,
  progressNotification,
  requestMessage,
  resultResponse,
  type RpcError,
} from "./build-message.js";
export { canonicalJson } from "./canonical-json.js";
export { checkInbound, type InboundHeaders, type InboundRefusal } from "./check-inbound.js";
export {
  type Era,
  eraOf,
  isLegacyRevision,
  isModernRevision,
  LEGACY_REVISIONS,
  type LegacyRevision,
  MODERN_REVISION,
  MODERN_REVISIONS,
} from "./eras.js";
export { type Frame, FrameTooLargeError } from "./frame.js";
export {
  acceptsEventStream,
  acceptsMcp,
  EVENT_STREAM_MEDIA_TYPE,
  HttpHeader,
  isEventStreamContentType,
  isJsonContentType,
  JSON_MEDIA_TYPE,
  PARAMETER_HEADER_PREFIX,
  validHost,
  validOrigin,
} from "./http-headers.js";
export { decodeHeaderValue } from "./header-values.js";
export { idKey, type JsonRpcId, jsonRpcId } from "./json-rpc-id.js";
export type { Range } from "./json-scanner.js";
export { type LargeMessage, LargeMessageScanner } from "./large-message-scanner.js";
export { LineFramer } from "./line-framer.js";
export { filterListResult, listEntries, type ListEntry, NotAListResultError } from "./list-result.js";
export { MalformedMessageError, type MalformedReason } from "./malformed-message-error.js";
export type {
  ClientInfo,
  McpMessage,
  McpNotification,
  McpRequest,
  McpResponse,
  MessageRanges,
  ProtocolVersionClaim,
} from "./message.js";
export { type Governance, type ListName, type MethodRule, METHODS, type NameSource } from "./methods.js";
export { checkParameterHeaders, parameterHeaders } from "./parameter-headers.js";
export { parseBody, type ParsedBody } from "./parse-body.js";
export { DEFAULT_MAX_DEPTH, parseMessage, type ParseLimits } from "./parse-message.js";
export { removeMember, stringInParams } from "./remove-member.js";
export { RESERVED_META, withoutReservedMeta } from "./reserved-meta.js";
export { replaceRanges, type Replacement } from "./replace-ranges.js";
export { isPlainUri } from "./resource-uri.js";
export { errorCodeOf, type InputRequest, inputRequestsOf, taskIdOf } from "./response-members.js";
export { type Caching, isRestricted, restrictCaching } from "./restrict-caching.js";
export { type MessageIds, rewriteIds } from "./rewrite-ids.js";
export { httpStatusOfError, RpcErrorCode } from "./rpc-error-codes.js";
export { encodeSse, sseComment, type SseFields } from "./sse-encoder.js";
export { SseFramer } from "./sse-framer.js";
export { standardHeaders } from "./standard-headers.js";
export { nameSkeleton } from "./name-skeleton.js";
export { toolDefinitions, type ListedDefinition } from "./tool-definitions.js";
export { toolDigest } from "./tool-digest.js";
export { toolFlags, type ToolFlag } from "./tool-flags.js";
