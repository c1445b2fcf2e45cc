import type { McpMessage } from "@drawbridge/mcp";
import type { HeldApproval } from "../../approvals/index.js";
import type { Principal } from "../../identity/index.js";
import type { Target } from "../../targets/index.js";
import type { HeldBody } from "../edge/held-bodies.js";
import type { GatewayError } from "../gateway-error.js";
import type { ExchangeReply } from "../replies/reply.js";
import type { GatewaySession } from "../sessions/gateway-session.js";

/** A client's message on its way in, with who sent it into which session. */
export interface Incoming<Message extends McpMessage = McpMessage> {
  readonly session: GatewaySession;
  readonly target: Target;
  readonly principal: Principal;
  readonly message: Message;
  readonly reply: ExchangeReply;
  /** What the message is part of; whoever keeps the message holds it. */
  readonly body: HeldBody;
  /** Mcp-Param-* of the request. */
  readonly parameterHeaders?: Readonly<Record<string, string>>;
  /** Whether the tasks that the request names are the caller's; undefined when it names none. */
  readonly ownsTasks?: boolean | undefined;
  /** It is one of several messages of one body (2025-03-26), with one connection for all of them. */
  readonly isBatched?: boolean;
  /** What is held as the task that the request names: a task of ours, not of the target (HeldTasks). */
  readonly heldTask?: HeldApproval | undefined;
  /** It is wrong in itself: denied, whatever policies say. */
  readonly refusal?: GatewayError | undefined;
}
