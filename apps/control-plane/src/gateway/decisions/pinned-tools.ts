import {
  listEntries,
  type McpNotification,
  type McpRequest,
  type McpResponse,
  RpcErrorCode,
} from "@drawbridge/mcp";
import type { Pin, Pins } from "../../tools/index.js";
import { GatewayError } from "../gateway-error.js";

/** Of the tool that the message calls. Undefined where it calls none, or one that the target has not shown yet. */
export function pinOfCalled(
  pins: Pins,
  targetId: string,
  { method, name }: McpRequest | McpNotification,
): Pin | undefined {
  return method === "tools/call" && name !== undefined ? pins.get(targetId)?.get(name) : undefined;
}

/** Why nobody may call a tool that is quarantined: for the recording, and as it is told to who could otherwise. */
export function notAccepted(
  { name, acceptedDigest }: Pin,
  targetName: string,
): { readonly reason: string; readonly refusal: GatewayError } {
  const reason = acceptedDigest
    ? "the tool shows another definition than the one that was accepted"
    : "something about the tool's definition is suspicious, and nobody has accepted it";
  const message = `${reason}; have an operator look at it: drawbridge tools show ${targetName} ${name}`;
  return { reason, refusal: new GatewayError({ status: 200, code: RpcErrorCode.ToolChanged, message }) };
}

/**
 * Which tools of a list may be shown: those that are accepted, as the target shows them here, once.
 * `digests`: what it has shown in the session, with this very list at the latest; undefined when the list is an old one,
 * which was looked at then.
 */
export function shownAsAccepted(
  list: McpResponse,
  pins: ReadonlyMap<string, Pin> | undefined,
  digests: ReadonlyMap<string, Uint8Array> | undefined,
): (name: string) => boolean {
  const twice = repeatedNames(list);
  return (name) => {
    const pin = pins?.get(name);
    if (!pin?.acceptedDigest || pin.state !== "accepted" || twice.has(name)) return false;
    const shown = digests ? digests.get(name) : pin.acceptedDigest;
    return shown !== undefined && Buffer.compare(shown, pin.acceptedDigest) === 0;
  };
}

function repeatedNames(list: McpResponse): ReadonlySet<string> {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const { name } of listEntries(list, "tools")) {
    if (name === undefined) continue;
    if (seen.has(name)) repeated.add(name);
    seen.add(name);
  }
  return repeated;
}
