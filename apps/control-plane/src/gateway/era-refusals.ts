import { LEGACY_REVISIONS, MODERN_REVISIONS, RpcErrorCode } from "@drawbridge/mcp";
import { GatewayError } from "./gateway-error.js";

/**
 * A modern request for a target that speaks the 2025 revisions only. Any code but -32022, with status 400, is what a
 * client that speaks both eras takes for "send initialize".
 */
export function modernNotSpoken(supported: readonly string[] = LEGACY_REVISIONS): GatewayError {
  const message = `this target speaks only the MCP revisions ${supported.join(", ")}; send initialize`;
  return new GatewayError({ status: 400, code: RpcErrorCode.ServerError, message });
}

/** initialize for a target that speaks 2026-07-28 only. */
export function legacyNotSpoken(
  requested: string | undefined,
  supported: readonly string[] = MODERN_REVISIONS,
): GatewayError {
  return new GatewayError({
    status: 400,
    code: RpcErrorCode.UnsupportedProtocolVersion,
    message: `this target speaks only the MCP revisions ${supported.join(", ")}, which have no initialize`,
    data: { supported: [...supported], ...(requested === undefined ? {} : { requested }) },
  });
}
