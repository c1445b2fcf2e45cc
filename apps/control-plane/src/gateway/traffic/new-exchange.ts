import type { McpRequest } from "@drawbridge/mcp";
import type { Question } from "../decisions/decide.js";
import type { Exchange } from "../sessions/gateway-session.js";
import type { Incoming } from "./incoming.js";

/** A request that nothing is decided about yet. */
export function newExchange(incoming: Incoming<McpRequest>, number: number, question: Question): Exchange {
  const { message, reply, body } = incoming;
  return {
    number,
    id: message.id,
    method: message.method,
    name: message.name,
    reply,
    question,
    epoch: 0n,
    decided: false,
    sent: false,
    cancelled: false,
    body,
  };
}
