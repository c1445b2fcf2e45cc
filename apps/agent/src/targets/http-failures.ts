import { ExchangeFailure } from "@drawbridge/protocol";
import { FrameTooLargeError, type McpRequest, parseMessage } from "@drawbridge/mcp";
import { BodyTooLargeError, UnreadableBodyError } from "./http-client.js";
import { certainlyNotSent, describeNetworkError } from "./network-error.js";

/** A failure of one exchange, with what is known about whether it ran. */
export class ExchangeError extends Error {
  override readonly name = "ExchangeError";
  readonly failure: ExchangeFailure;

  constructor(failure: ExchangeFailure, message: string) {
    super(message);
    this.failure = failure;
  }
}

export const CANCELLED = new ExchangeError(
  ExchangeFailure.OUTCOME_UNKNOWN,
  "the call was cancelled; whether it ran is not known",
);

export function asExchangeError(error: unknown): ExchangeError {
  if (error instanceof ExchangeError) return error;
  if (error instanceof BodyTooLargeError || error instanceof FrameTooLargeError) {
    return new ExchangeError(ExchangeFailure.RESULT_TOO_LARGE, error.message);
  }
  if (error instanceof UnreadableBodyError)
    return new ExchangeError(ExchangeFailure.BAD_TARGET, error.message);
  const reason = `the connection to the target failed (${describeNetworkError(error)})`;
  return new ExchangeError(ExchangeFailure.OUTCOME_UNKNOWN, reason);
}

/** A failure of the very request that carries the message: where no connection was made, it was not sent. */
export function asSendError(error: unknown): unknown {
  if (!certainlyNotSent(error)) return error;
  const reason = `the target cannot be reached (${describeNetworkError(error)}): look whether it runs`;
  return new ExchangeError(ExchangeFailure.TARGET_UNAVAILABLE, reason);
}

/** What an HTTP status says that came without a message: whether the server did anything, and what is wrong. */
export function errorOfStatus(status: number): ExchangeError {
  return new ExchangeError(failureOfStatus(status), describeStatus(status));
}

/** Answers that say the server refused before it did anything. */
const REFUSALS: ReadonlyMap<number, string> = new Map([
  [401, "the target does not accept the agent's credentials (HTTP 401): look at the target's definition"],
  [403, "the target forbids what the agent may do (HTTP 403): look at the target's definition"],
  [404, "there is no MCP server at the target's URL (HTTP 404): look at the target's definition"],
  [405, "there is no MCP server at the target's URL (HTTP 405): look at the target's definition"],
  [406, "the target does not speak its definition's transport (HTTP 406)"],
  [415, "the target does not speak its definition's transport (HTTP 415)"],
  [429, "the target has too much to do (HTTP 429): try again later"],
]);

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

function failureOfStatus(status: number): ExchangeFailure {
  if (status < 300) return ExchangeFailure.BAD_TARGET;
  const refused = isRedirect(status) || REFUSALS.has(status);
  return refused ? ExchangeFailure.TARGET_UNAVAILABLE : ExchangeFailure.OUTCOME_UNKNOWN;
}

function describeStatus(status: number): string {
  if (status < 300) return `the target answered the call with HTTP ${status} and no message`;
  if (isRedirect(status)) {
    return `the target redirects (HTTP ${status}) and redirects are not followed: put the final URL into its definition`;
  }
  return REFUSALS.get(status) ?? `the target answered HTTP ${status}`;
}

/** The JSON-RPC error a failed POST carries, with the id of the request where the server left it out. */
export function errorResponseTo(request: McpRequest, body: Uint8Array): Uint8Array | undefined {
  try {
    const message = parseMessage(body);
    if (message.kind !== "response" || !message.isError) return undefined;
    if (message.id || !message.ranges.error) return body;
    const head = Buffer.from(`{"jsonrpc":"2.0","id":${request.id.text},"error":`);
    return Buffer.concat([head, body.subarray(...message.ranges.error), Buffer.from("}")]);
  } catch {
    return undefined;
  }
}
