import { type Era, eraOf, type McpMessage } from "@drawbridge/mcp";
import type { SessionResponse_Message as ClientMessage } from "@drawbridge/protocol";
import { isOwnExchange } from "./own-request.js";
import { readMessage } from "./read-message.js";
import type { SparseLog } from "./sparse-log.js";

export interface ClientCheckOptions {
  /** Of the session. */
  readonly era: Era;
  readonly isOver: boolean;
  /** Whether the control plane's permission to operate holds. */
  readonly mayOperate: boolean;
  readonly maxBytes: number;
  readonly log: SparseLog;
}

export interface Refused {
  readonly kind: "refused";
  /** For the caller. */
  readonly problem: string;
}

/** Whether the session can take a message of the client at all: the message, read, or what is wrong with it. */
export function checkClientMessage(
  message: ClientMessage,
  options: ClientCheckOptions,
): McpMessage | Refused {
  const problem = problemWith(message, options);
  if (problem !== undefined) return refused(problem);
  const parsed = readMessage(message.payload, options.log);
  if (parsed.kind === "unreadable") return refused(`the message is not valid: ${parsed.problem}`);
  const misfit = misfitOf(parsed, message.exchange, options.era);
  return misfit === undefined ? parsed : refused(misfit);
}

function problemWith(
  { exchange, payload }: ClientMessage,
  { isOver, mayOperate, maxBytes }: ClientCheckOptions,
): string | undefined {
  if (isOver) return "the session is over: open a new one";
  if (isOwnExchange(exchange)) return "the number of its exchange is too high";
  if (!mayOperate) return "the agent lost touch with the control plane: try again";
  if (payload.length > maxBytes) return `the message is larger than the agent's limit of ${maxBytes} bytes`;
  return undefined;
}

/** A target speaks one era in a session. Notifications of the modern era need not name it, and responses cannot. */
function misfitOf(parsed: McpMessage, exchange: number, sessionEra: Era): string | undefined {
  if ((parsed.kind === "request") !== (exchange !== 0)) return "only a request has an exchange";
  const era = eraOf(parsed);
  const fits = era === sessionEra || (era === "legacy" && parsed.kind !== "request");
  return fits ? undefined : `a message of the ${era} era cannot be sent in a session of the other one`;
}

function refused(problem: string): Refused {
  return { kind: "refused", problem };
}
