import type { IncomingMessage, ServerResponse } from "node:http";
import { Inject, Injectable, Logger } from "@nestjs/common";
import {
  acceptsEventStream,
  acceptsMcp,
  eraOf,
  HttpHeader,
  isJsonContentType,
  isLegacyRevision,
  type JsonRpcId,
  MalformedMessageError,
  type McpMessage,
  parseMessage,
  RpcErrorCode,
  validHost,
  validOrigin,
} from "@drawbridge/mcp";
import { isTargetVisible } from "@drawbridge/policy";
import { CONFIG, type Config } from "../config.js";
import { bearerChallenge, type Principal, TokenError, TokenVerifier } from "../identity/index.js";
import { isDatabaseUnavailable } from "../platform/database.js";
import type { DataPath } from "../platform/http-server.js";
import { RecordingUnavailableError } from "../recordings/index.js";
import type { Target } from "../targets/index.js";
import { ClientTraffic } from "./client-traffic.js";
import { contextOf } from "./decide.js";
import { GatewayError, unavailable, unknownSession, unknownTarget } from "./gateway-error.js";
import type { GatewaySession } from "./gateway-session.js";
import { EventStream } from "./event-stream.js";
import { Reply } from "./reply.js";
import { LiveState } from "./live-state.js";
import { SessionsService } from "./sessions.service.js";

const PATH = /^\/mcp\/([a-z0-9-]{1,63})\/?(?:\?.*)?$/;
const DRAIN_PATIENCE_MS = 5_000;
// A timer that is set for longer fires at once.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * `/mcp/{target}`: Streamable HTTP for clients of the 2025 revisions. The way of a message through the control plane
 * reads from top to bottom in `post`; each step is a function of the file it names.
 */
@Injectable()
export class GatewayEndpoint implements DataPath {
  private readonly logger = new Logger("gateway");
  private draining = false;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly tokens: TokenVerifier,
    private readonly live: LiveState,
    private readonly sessions: SessionsService,
    private readonly clients: ClientTraffic,
  ) {}

  handle(request: IncomingMessage, response: ServerResponse): void {
    const reply = new Reply(response);
    // Set as soon as the message's id is known, so that an error answers the request it belongs to.
    const answering: { id: JsonRpcId | null } = { id: null };
    this.serve(request, response, { reply, answering }).catch((error: unknown) => {
      const refusal = this.toRefusal(error);
      if (!request.complete) response.shouldKeepAlive = false;
      reply
        .refuse(refusal.status, refusal.body(answering.id), refusal.headers)
        .catch((failure: unknown) => this.logger.error("a refusal could not be sent", String(failure)));
    });
  }

  /** Refuses new work and gives what is under way a moment to finish. */
  async drain(): Promise<void> {
    this.draining = true;
    const deadline = Date.now() + DRAIN_PATIENCE_MS;
    while (Date.now() < deadline && [...this.sessions.all].some(({ busy }) => busy)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    for (const session of this.sessions.all) session.eventStream?.end();
  }

  private async serve(request: IncomingMessage, response: ServerResponse, answer: Answer): Promise<void> {
    if (this.draining) throw unavailable("this control plane is being stopped; try again in a moment");
    this.checkSender(request);
    const targetName = targetOf(request);
    const principal = await this.tokens.verify(request.headers.authorization, "mcp");
    const target = await this.visibleTarget(targetName, principal);
    const caller = { target, principal, ...answer };
    if (request.method === "POST") await this.post(request, caller);
    else if (request.method === "GET") await this.get(request, response, caller);
    else if (request.method === "DELETE") await this.delete(request, caller);
    else throw refused(405, "use POST, GET or DELETE", { Allow: "POST, GET, DELETE" });
  }

  /** One message of a client: edge, session, then decide, record and dispatch; the answer comes back by itself. */
  private async post(
    request: IncomingMessage,
    { target, principal, reply, answering }: Caller,
  ): Promise<void> {
    checkContent(request);
    const message = parse(await readBody(request, this.config.maxMessageBytes), answering);
    if (eraOf(message) === "modern") throw modernEra();
    if (message.kind === "request" && message.method === "initialize") {
      if (headerOf(request, HttpHeader.sessionId))
        throw refused(400, "this session is initialized already; leave out Mcp-Session-Id to open another");
      const { session, sessionId } = await this.sessions.create(principal, target, message);
      reply.announceSession(sessionId, session.id);
      try {
        await this.clients.accept({ session, target, principal, message, reply });
      } catch (error) {
        reply.forgetSession();
        await this.sessions.end(session, "it could not be opened");
        throw error;
      }
      return;
    }
    const session = await this.sessionOf(request, target, principal);
    await this.clients.accept({ session, target, principal, message, reply });
  }

  /** The stream for what the target says without being asked. One a session; it ends with the token. */
  private async get(
    request: IncomingMessage,
    response: ServerResponse,
    { target, principal, reply }: Caller,
  ): Promise<void> {
    if (!acceptsEventStream(request.headers.accept)) throw refused(406, "accept text/event-stream");
    const session = await this.sessionOf(request, target, principal);
    // Nothing is recorded that would tell of a revocation, and what waits for the client is given out at once.
    const { epoch, policies, targets } = await this.live.now();
    const current = targets.get(target.name);
    const context = contextOf(principal);
    if (!current || !isTargetVisible(policies, current, context)) throw unknownTarget();
    if (session.ended) throw unknownSession();
    if (session.eventStream?.open) throw refused(409, "this session has an event stream already");
    reply.release();
    const stream = new EventStream(response);
    const lifetime = Math.max(0, principal.expiresAt.getTime() - Date.now());
    const untilExpiry = setTimeout(() => stream.end(), Math.min(lifetime, LONGEST_TIMER_MS));
    response.once("close", () => clearTimeout(untilExpiry));
    await session.attachEventStream(stream, context, epoch);
  }

  private async delete(request: IncomingMessage, { target, principal, reply }: Caller): Promise<void> {
    const session = await this.sessionOf(request, target, principal);
    await this.sessions.end(session, "closed by the client");
    reply.finishEmpty(200);
  }

  /** Origin and Host: a web page must not reach us through the browser of somebody inside (DNS rebinding). */
  private checkSender({ headers }: IncomingMessage): void {
    if (!validOrigin(headers.origin, this.config.allowedOrigins))
      throw refused(403, "requests of this origin are not accepted");
    if (!validHost(headers.host, this.config.allowedHosts)) {
      throw refused(
        403,
        "this Host is not one of ours; use the public URL, or name it in DRAWBRIDGE_ALLOWED_HOSTS",
      );
    }
  }

  private async visibleTarget(name: string, principal: Principal): Promise<Target> {
    const known = await this.live.known();
    const target = known.targets.get(name);
    if (target && isTargetVisible(known.policies, target, contextOf(principal))) return target;
    // Nothing is recorded for a target that is not seen, so nothing tells that it has appeared since: look again.
    const now = await this.live.now();
    const appeared = now.targets.get(name);
    if (!appeared || !isTargetVisible(now.policies, appeared, contextOf(principal))) throw unknownTarget();
    return appeared;
  }

  private async sessionOf(
    request: IncomingMessage,
    target: Target,
    principal: Principal,
  ): Promise<GatewaySession> {
    const sessionId = headerOf(request, HttpHeader.sessionId);
    if (!sessionId) throw refused(400, "Mcp-Session-Id is missing; send initialize first");
    const session = await this.sessions.find({ principal, target: target.name, sessionId });
    const version = headerOf(request, HttpHeader.protocolVersion);
    if (
      version !== undefined &&
      session.protocolVersion !== undefined &&
      version !== session.protocolVersion
    ) {
      throw refused(
        400,
        `MCP-Protocol-Version must be ${session.protocolVersion}, which this session negotiated`,
      );
    }
    return session;
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

interface Answer {
  readonly reply: Reply;
  readonly answering: { id: JsonRpcId | null };
}

interface Caller extends Answer {
  readonly target: Target;
  readonly principal: Principal;
}

function targetOf(request: IncomingMessage): string {
  const [, name] = PATH.exec(request.url ?? "") ?? [];
  if (!name) throw unknownTarget();
  return name;
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  if (Array.isArray(value)) throw refused(400, `the header ${name} was sent more than once`);
  if (name === HttpHeader.sessionId && value !== undefined && !/^[\x21-\x7e]{1,256}$/.test(value))
    throw unknownSession();
  return value;
}

function checkContent({ headers }: IncomingMessage): void {
  if (!isJsonContentType(headers["content-type"]))
    throw refused(415, "the Content-Type must be application/json");
  if (!acceptsMcp(headers.accept)) throw refused(406, "accept both application/json and text/event-stream");
  const version = headers[HttpHeader.protocolVersion];
  if (typeof version === "string" && !isLegacyRevision(version)) throw modernEra();
}

/** The whole body, or an error once it is larger than `limit` bytes: nothing of it is kept then. */
function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLarge = () => refused(413, `the message is larger than ${limit} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > limit) return Promise.reject(tooLarge());
  // By events: an async iterator takes several turns of the event loop for what usually is one chunk.
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const give = (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limit) {
        chunks.push(chunk);
        return;
      }
      chunks.length = 0;
      request.off("data", give);
      reject(tooLarge());
    };
    request.on("data", give);
    request.once("end", () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    request.once("error", reject);
    request.once("close", () => {
      if (!request.complete) reject(refused(400, "the connection closed before the message was complete"));
    });
  });
}

function parse(body: Buffer, answering: { id: JsonRpcId | null }): McpMessage {
  try {
    const message = parseMessage(body);
    if (message.kind === "request") answering.id = message.id;
    return message;
  } catch (error) {
    if (error instanceof MalformedMessageError && error.id) answering.id = error.id;
    throw error;
  }
}

/** A client that speaks both eras takes this for "only the 2025 revisions here" and sends initialize. */
function modernEra(): GatewayError {
  return new GatewayError({
    status: 400,
    code: RpcErrorCode.ServerError,
    message: "only the MCP revisions 2025-03-26 to 2025-11-25 are spoken here; send initialize",
  });
}

function refused(status: number, message: string, headers: Record<string, string> = {}): GatewayError {
  return new GatewayError({ status, code: RpcErrorCode.InvalidRequest, message, headers });
}
