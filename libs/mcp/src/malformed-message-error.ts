import type { JsonRpcId } from "./json-rpc-id.js";

const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;
const INVALID_PARAMS = -32602;

/**
 * Every reason for which a message is refused, with the JSON-RPC code that tells the sender.
 * -32700: not JSON at all. -32600: JSON, but two readers could understand it differently, or not JSON-RPC.
 * -32602: the envelope of 2026-07-28 or the handshake of the revisions before is wrong.
 */
const RPC_CODE = {
  invalid_utf8: PARSE_ERROR,
  byte_order_mark: PARSE_ERROR,
  invalid_json: PARSE_ERROR,
  batch: INVALID_REQUEST,
  not_an_object: INVALID_REQUEST,
  too_deep: INVALID_REQUEST,
  duplicate_key: INVALID_REQUEST,
  case_variant_key: INVALID_REQUEST,
  nul_character: INVALID_REQUEST,
  lone_surrogate: INVALID_REQUEST,
  invalid_version: INVALID_REQUEST,
  invalid_id: INVALID_REQUEST,
  invalid_method: INVALID_REQUEST,
  invalid_params: INVALID_REQUEST,
  invalid_name: INVALID_REQUEST,
  invalid_progress_token: INVALID_REQUEST,
  invalid_protocol_version: INVALID_PARAMS,
  invalid_error: INVALID_REQUEST,
  invalid_input_requests: INVALID_REQUEST,
  too_many_keys: INVALID_REQUEST,
  ambiguous_kind: INVALID_REQUEST,
} as const;

export type MalformedReason = keyof typeof RPC_CODE;

/**
 * The bytes are not one unambiguous JSON-RPC message. `message` is for the sender and never quotes what was sent.
 * `id` is there when exactly one valid id could be read, so that the error can be answered to it.
 */
export class MalformedMessageError extends Error {
  override readonly name = "MalformedMessageError";
  readonly reason: MalformedReason;
  readonly rpcCode: (typeof RPC_CODE)[MalformedReason];
  readonly id: JsonRpcId | undefined;

  constructor(reason: MalformedReason, message: string, id?: JsonRpcId) {
    super(message);
    this.reason = reason;
    this.rpcCode = RPC_CODE[reason];
    this.id = id;
  }
}
