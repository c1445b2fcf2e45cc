import { isModernRevision, LEGACY_REVISIONS, MODERN_REVISIONS, RpcErrorCode } from "@drawbridge/mcp";
import { GatewayError } from "./gateway-error.js";

/**
 * Whether a target may speak 2026-07-28, by what is known of its revisions. Where nothing is, its agent has to find out.
 * That no revision before it is among them proves nothing: agents do not always ask for those.
 */
export function maySpeakModern(versions: readonly string[] | undefined): boolean {
  return !versions || versions.length === 0 || versions.some(isModernRevision);
}

/**
 * A modern request for a target that speaks the 2025 revisions only. Any code but -32022, with status 400, is what a
 * client that speaks both eras takes for "send initialize".
 */
export function modernNotSpoken(versions: readonly string[]): GatewayError {
  const supported = versions.filter((version) => !isModernRevision(version));
  const named = (supported.length > 0 ? supported : LEGACY_REVISIONS).join(", ");
  const message = `this target speaks only the MCP revisions ${named}; send initialize`;
  return new GatewayError({ status: 400, code: RpcErrorCode.ServerError, message });
}

/** initialize for a target that speaks 2026-07-28 only. */
export function legacyNotSpoken(requested: string | undefined, versions: readonly string[]): GatewayError {
  const supported = versions.length > 0 ? versions : MODERN_REVISIONS;
  return new GatewayError({
    status: 400,
    code: RpcErrorCode.UnsupportedProtocolVersion,
    message: `this target speaks only the MCP revisions ${supported.join(", ")}, which have no initialize`,
    data: { supported: [...supported], ...(requested === undefined ? {} : { requested }) },
  });
}
