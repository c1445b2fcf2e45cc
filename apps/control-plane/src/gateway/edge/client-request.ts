import type { IncomingMessage, ServerResponse } from "node:http";
import {
  acceptsMcp,
  HttpHeader,
  isJsonContentType,
  type JsonRpcId,
  type McpMessage,
  RpcErrorCode,
} from "@drawbridge/mcp";
import type { Principal } from "../../identity/index.js";
import type { Target } from "../../targets/index.js";
import { GatewayError, unknownSession, unknownTarget } from "../gateway-error.js";
import type { HeldBody } from "./held-bodies.js";
import type { Reply } from "../replies/reply.js";

const PATH = /^\/mcp\/([a-z0-9-]{1,63})\/?(?:\?.*)?$/;

/** What is needed to answer a request, whatever becomes of it. */
export interface Answer {
  readonly response: ServerResponse;
  readonly reply: Reply;
  /** The message that an error answers, as soon as it is known. */
  readonly answering: Answering;
}

export interface Answering {
  /** Null where there is none to answer; undefined leaves it out, as 2026-07-28 wants it. */
  id: JsonRpcId | null | undefined;
  /** At 2026-07-28 the code of an error says its HTTP status. */
  isModern: boolean;
}

/** A request whose sender is known and may see the target. */
export interface Call extends Answer {
  readonly request: IncomingMessage;
  readonly target: Target;
  readonly principal: Principal;
}

export interface CallWith<Message = McpMessage> extends Call {
  readonly message: Message;
  /** What the message is part of. */
  readonly body: HeldBody;
}

/** @throws GatewayError 404 */
export function targetNameOf(request: IncomingMessage): string {
  const [, name] = PATH.exec(request.url ?? "") ?? [];
  if (!name) throw unknownTarget();
  return name;
}

/** @throws GatewayError for a header that came twice, or that cannot be what it should */
export function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  if (Array.isArray(value)) throw refused(400, `the header ${name} was sent more than once`);
  if (name === HttpHeader.sessionId && value !== undefined && !/^[\x21-\x7e]{1,256}$/.test(value))
    throw unknownSession();
  return value;
}

export function checkContent({ headers }: IncomingMessage): void {
  if (!isJsonContentType(headers["content-type"]))
    throw refused(415, "the Content-Type must be application/json");
  if (!acceptsMcp(headers.accept)) throw refused(406, "accept both application/json and text/event-stream");
}

/** The whole body, or an error once it is larger than `limit` bytes or `held` has no room: nothing of it is kept then. */
export function readBody(request: IncomingMessage, limit: number, held: HeldBody): Promise<Buffer> {
  const tooLarge = () => refused(413, `the message is larger than ${limit} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > limit) return Promise.reject(tooLarge());
  // By events: an async iterator takes several turns of the event loop for what usually is one chunk.
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const give = (chunk: Buffer) => {
      size += chunk.length;
      const fits = size <= limit;
      if (fits && held.add(chunk)) {
        chunks.push(chunk);
        return;
      }
      chunks.length = 0;
      request.off("data", give);
      request.off("end", end);
      reject(fits ? noRoom() : tooLarge());
    };
    const end = () => {
      held.joined(size);
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
    };
    request.on("data", give);
    request.once("end", end);
    request.once("error", reject);
    request.once("close", () => {
      if (!request.complete) reject(refused(400, "the connection closed before the message was complete"));
    });
  });
}

function noRoom(): GatewayError {
  const message = "too many and too large requests are under way here; try again in a moment";
  const headers = { "Retry-After": "1" };
  return new GatewayError({ status: 503, code: RpcErrorCode.TooManyRequests, message, headers });
}

/** A request that is wrong as HTTP, or at the wrong moment. */
export function refused(status: number, message: string, headers: Record<string, string> = {}): GatewayError {
  return new GatewayError({ status, code: RpcErrorCode.InvalidRequest, message, headers });
}
