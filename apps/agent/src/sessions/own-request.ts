import { randomBytes } from "node:crypto";
import {
  type Era,
  idKey,
  type JsonRpcId,
  jsonRpcId,
  type McpRequest,
  type McpResponse,
  parseMessage,
  requestMessage,
} from "@drawbridge/mcp";
import type { ExchangeFailure } from "@drawbridge/protocol";
import { modernRequest } from "../targets/modern-envelope.js";
import type { OutgoingMessage } from "../targets/target.js";

/** The control plane numbers exchanges from 1; those of the agent's own requests begin here. */
const FIRST_OWN_EXCHANGE = 2 ** 52;

export function isOwnExchange(exchange: number | undefined): boolean {
  return exchange !== undefined && exchange >= FIRST_OWN_EXCHANGE;
}

export interface OwnAnswer {
  onResponse(response: McpResponse): void;
  /** `reason` quotes nothing the target said. `failure`: where its transport knows more. */
  onFailure(reason: string, failure?: ExchangeFailure): void;
}

interface Pending extends OwnAnswer {
  readonly exchange: number;
  readonly request: McpRequest;
  readonly idKey: string;
}

/**
 * The one request of the agent's own that a session may have under way. The target sees a request like any other; its
 * answer goes no further than here. No client has its id: it is random.
 */
export class OwnRequest {
  readonly #era: Era;
  #made = 0;
  #pending: Pending | undefined;

  constructor(era: Era) {
    this.#era = era;
  }

  /** To be sent to the target. Whatever was asked before is forgotten. */
  ask(method: string, params: Readonly<Record<string, unknown>>, answer: OwnAnswer): OutgoingMessage {
    const exchange = FIRST_OWN_EXCHANGE + this.#made;
    this.#made += 1;
    const id = jsonRpcId(`drawbridge-${randomBytes(16).toString("hex")}`);
    const request =
      this.#era === "modern" ? modernRequest(id, method, params) : legacyRequest(id, method, params);
    this.#pending = { ...answer, exchange, request, idKey: idKey(id) };
    return { exchange, parsed: request, protocolVersion: "", parameterHeaders: {} };
  }

  /** What is under way, which nobody waits for any more from now on. */
  forget(): { readonly exchange: number; readonly request: McpRequest } | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending;
  }

  isWaiting(exchange: number): boolean {
    return this.#pending?.exchange === exchange;
  }

  /** Whether a response with this id is the answer to what is under way. */
  isAnsweredBy(id: JsonRpcId): boolean {
    return this.#pending?.idKey === idKey(id);
  }

  /** True when it was the answer, which nobody else is to see. */
  take(response: McpResponse): boolean {
    if (this.#pending === undefined || response.id === undefined || !this.isAnsweredBy(response.id))
      return false;
    const pending = this.#pending;
    this.#pending = undefined;
    pending.onResponse(response);
    return true;
  }

  /** It will not be answered, for a reason that quotes nothing the target said. */
  fail(reason: string, failure?: ExchangeFailure): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.onFailure(reason, failure);
  }
}

function legacyRequest(id: JsonRpcId, method: string, params: Readonly<Record<string, unknown>>): McpRequest {
  const message = parseMessage(requestMessage(id, method, params));
  if (message.kind !== "request") throw new TypeError("what was made as a request is none");
  return message;
}
