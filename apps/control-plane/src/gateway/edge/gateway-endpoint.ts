import type { IncomingMessage, ServerResponse } from "node:http";
import { Inject, Injectable, Logger } from "@nestjs/common";
import {
  checkInbound,
  eraOf,
  httpStatusOfError,
  HttpHeader,
  type InboundHeaders,
  isModernRevision,
  MalformedMessageError,
  type McpMessage,
  parseBody,
  type ParsedBody,
  RpcErrorCode,
} from "@drawbridge/mcp";
import { CONFIG, type Config } from "../../config.js";
import { bearerChallenge, TokenError } from "../../identity/index.js";
import { isDatabaseUnavailable } from "../../platform/database.js";
import type { DataPath } from "../../platform/http-server.js";
import { RecordingUnavailableError } from "../../recordings/index.js";
import { Admission } from "./admission.js";
import {
  type Answer,
  type Answering,
  type Call,
  type CallWith,
  checkContent,
  headerOf,
  readBody,
  refused,
} from "./client-request.js";
import { allowOrigin, answerPreflight, isPreflight } from "./cross-origin.js";
import { GatewayError, unavailable } from "../gateway-error.js";
import { LegacyEndpoint } from "./legacy-endpoint.js";
import { ModernEndpoint } from "./modern-endpoint.js";
import type { GatewaySession } from "../sessions/gateway-session.js";
import { SessionsService } from "../sessions/sessions.service.js";

const DRAIN_PATIENCE_MS = 5_000;

/**
 * `/mcp/{target}`: Streamable HTTP for clients of both eras. The body says of which one a message is. The way of a
 * message through the control plane reads from top to bottom in `serve` and `post`; each step is a function of the file
 * it names.
 */
@Injectable()
export class GatewayEndpoint implements DataPath {
  private readonly logger = new Logger("gateway");
  private draining = false;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly admission: Admission,
    private readonly sessions: SessionsService,
    private readonly legacy: LegacyEndpoint,
    private readonly modern: ModernEndpoint,
  ) {}

  handle(request: IncomingMessage, response: ServerResponse): void {
    const reply = this.admission.replyTo(response);
    // Only of a message something may be said before its answer.
    if (request.method !== "POST") reply.keepStatus();
    const answering: Answering = { id: null, isModern: false };
    this.serve(request, { response, reply, answering }).catch((error: unknown) => {
      const refusal = this.toRefusal(error);
      if (!request.complete) response.shouldKeepAlive = false;
      reply
        .refuse(statusOf(refusal, answering), refusal.body(answering.id), refusal.headers)
        .catch((failure: unknown) => this.logger.error("a refusal could not be sent", String(failure)));
    });
  }

  /** Refuses new work and gives what is under way a moment to finish. */
  async drain(): Promise<void> {
    this.draining = true;
    for (const session of this.sessions.all) endWaits(session);
    const deadline = Date.now() + DRAIN_PATIENCE_MS;
    while (Date.now() < deadline && [...this.sessions.all].some(({ busy }) => busy)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    for (const session of this.sessions.all) session.eventStream?.end();
    await this.modern.close();
  }

  private async serve(request: IncomingMessage, answer: Answer): Promise<void> {
    if (this.draining) throw unavailable("this control plane is being stopped; try again in a moment");
    this.admission.checkSender(request);
    allowOrigin(request, answer.response);
    if (isPreflight(request)) {
      answerPreflight(request, answer.response);
      answer.reply.finishEmpty(204);
      return;
    }
    const call = { request, ...answer, ...(await this.admission.admit(request)) };
    if (request.method === "POST") await this.post(call);
    else if (request.method === "GET") await this.legacy.get(call);
    else if (request.method === "DELETE") await this.legacy.delete(call);
    else throw refused(405, "use POST, GET or DELETE", { Allow: "POST, GET, DELETE" });
  }

  private async post(call: Call): Promise<void> {
    const { request, answering } = call;
    checkContent(request);
    const headers = inboundHeaders(request);
    const saysModern = headers.protocolVersion !== undefined && isModernRevision(headers.protocolVersion);
    if (saysModern) Object.assign(answering, { id: undefined, isModern: true });
    const body = this.admission.bodyOf(call.principal);
    body.hold(call);
    try {
      const bytes = await readBody(request, this.config.maxMessageBytes, body);
      await this.received({ ...call, body }, parse(bytes, answering), { headers, saysModern });
    } finally {
      body.letGo(call);
    }
  }

  private async received(
    call: Omit<CallWith, "message">,
    { isBatch, messages }: ParsedBody,
    { headers, saysModern }: { readonly headers: InboundHeaders; readonly saysModern: boolean },
  ): Promise<void> {
    if (isBatch) {
      await this.legacy.batch({ ...call, messages, refusalOf: (error) => this.toRefusal(error) });
      return;
    }
    const message = messages[0] as McpMessage;
    // Notifications say of which era they are in the header, if at all.
    const isModern = eraOf(message) === "modern" || (saysModern && message.kind !== "request");
    Object.assign(call.answering, answers(message, isModern));
    const refusal = checkInbound(message, headers);
    if (refusal) throw new GatewayError(refusal);
    if (isModern) await this.modern.post({ ...call, message });
    else await this.legacy.post({ ...call, message });
  }

  /** The one place where an error on the data path becomes an HTTP status and a JSON-RPC error. */
  private toRefusal(error: unknown): GatewayError {
    if (error instanceof GatewayError) return error;
    if (error instanceof TokenError) return this.unauthorized(error);
    if (error instanceof MalformedMessageError)
      return new GatewayError({ status: 400, code: error.rpcCode, message: error.message });
    if (error instanceof RecordingUnavailableError || isDatabaseUnavailable(error)) {
      this.logger.error("the database does not answer", error instanceof Error ? error.message : undefined);
      return unavailable("the request could not be recorded, so it was not sent; try again in a moment");
    }
    this.logger.error("a message failed unexpectedly", error instanceof Error ? error.stack : String(error));
    const message = "something went wrong here; the operator finds it in the log";
    return new GatewayError({ status: 500, code: RpcErrorCode.InternalError, message });
  }

  private unauthorized({ problem, message }: TokenError): GatewayError {
    if (problem === "unavailable") return unavailable(message);
    const challenge = bearerChallenge(this.config, "/mcp", problem === "missing" ? undefined : message);
    return new GatewayError({
      status: 401,
      code: RpcErrorCode.InvalidRequest,
      message,
      headers: { "WWW-Authenticate": challenge },
    });
  }
}

/** Whoever waits for people may come back to the next process. */
function endWaits({ inFlight }: GatewaySession): void {
  for (const { held } of inFlight) held?.end({ why: "stopping" });
}

/** What an error of this message answers. */
function answers(message: McpMessage, isModern: boolean): Answering {
  if (message.kind === "request") return { id: message.id, isModern };
  return { id: isModern ? undefined : null, isModern };
}

/** At 2026-07-28 the HTTP status of an error follows from its code, where nothing else had to be said by it. */
function statusOf({ status, code }: GatewayError, { isModern }: Answering): number {
  return isModern && status === 200 ? httpStatusOfError(code) : status;
}

function inboundHeaders(request: IncomingMessage): InboundHeaders {
  return {
    protocolVersion: headerOf(request, HttpHeader.protocolVersion),
    method: headerOf(request, HttpHeader.method),
    name: headerOf(request, HttpHeader.name),
  };
}

function parse(body: Buffer, answering: Answering): ParsedBody {
  try {
    return parseBody(body);
  } catch (error) {
    if (error instanceof MalformedMessageError && error.id) answering.id = error.id;
    throw error;
  }
}
