import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Inject, Injectable } from "@nestjs/common";
import { idKey, type McpRequest, type McpResponse, RpcErrorCode } from "@drawbridge/mcp";
import type { Context } from "@drawbridge/policy";
import type { RecordedEvent } from "@drawbridge/recording";
import { CONFIG, type Config } from "../../config.js";
import type { Principal } from "../../identity/index.js";
import { RecordingReader } from "../../recordings/index.js";
import type { Target } from "../../targets/index.js";
import { EventStream } from "./event-stream.js";
import { GatewayError } from "../gateway-error.js";
import { ASKED_LIMIT, type GatewaySession, type Told } from "../sessions/gateway-session.js";
import { LeftBehindCalls } from "../holding/left-behind.js";
import { LiveState } from "../decisions/live-state.js";
import { messageOf, Replay, wasAsked } from "./replay.js";
import type { Reply } from "./reply.js";
import { ResumedReply } from "./resumed-reply.js";
import { SessionsRepository } from "../sessions/sessions.repository.js";

// The end of a call that another process left is written by the sweep of recordings, soon after the start.
const ORPHAN_PATIENCE_MS = 60_000;
const LOOK_AGAIN_MS = 1_000;
// Each holds a page of the recording.
const MAX_RESUMED = 16;
const MAX_INDEX = 2 ** 31 - 1;

/** Where a client stopped hearing: after which event of which stream. */
export interface Position {
  /** 0: the stream of GET. */
  readonly exchange: number;
  readonly after: number;
}

/** A client that comes back, with the GET that it does it by. */
export interface Returning {
  readonly session: GatewaySession;
  readonly context: Context;
  readonly response: ServerResponse;
  readonly position: Position;
  /** Lets go of the response once it is answered here. */
  readonly reply: Reply;
  readonly principal: Principal;
  readonly target: Target;
}

type Missing = Pick<Returning, "session" | "context" | "response" | "position">;

/** Reads Last-Event-ID. @throws GatewayError 400 for what is none of ours */
export function positionOf(lastEventId: string): Position {
  const [, exchange, after] = /^(\d{1,15})-(\d{1,10})$/.exec(lastEventId) ?? [];
  if (exchange === undefined || after === undefined) throw unknownEvent();
  return { exchange: Number(exchange), after: Math.min(Number(after), MAX_INDEX) };
}

/**
 * Tells clients of the 2025 revisions what they missed while their connection was broken, from the recording: masked,
 * durable, and there after a restart as well. A call that is still under way goes on afterwards. Of one that another
 * process left the client hears how it ended as soon as the recording knows (the sweep of recordings writes that its
 * outcome is unknown); when that takes long the stream ends without it, and the client may come again. A call that waits
 * for people goes on waiting here.
 */
@Injectable()
export class Resumption {
  private readonly resumed = new WeakMap<GatewaySession, Map<number, ResumedReply>>();
  private readonly recalled = new WeakMap<GatewaySession, Promise<void>>();

  constructor(
    private readonly reader: RecordingReader,
    private readonly live: LiveState,
    private readonly sessions: SessionsRepository,
    private readonly left: LeftBehindCalls,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Answers a GET that goes on with the stream of a request. @throws GatewayError while nothing was answered */
  resume(returning: Returning): Promise<void> {
    return returning.session.whileBusy(this.resumeNow(returning));
  }

  private async resumeNow(returning: Returning): Promise<void> {
    const { session, position } = returning;
    const recorded = await this.reader.request(session.id, position.exchange);
    const request = recorded && messageOf(recorded);
    if (request?.kind !== "request") throw unknownEvent();
    await this.recall(session);
    returning.reply.release();
    const reply = this.takeOver(returning);
    try {
      const isUnderWay = this.attach(returning, reply) || (await this.takeUp(returning, reply, request));
      const replay = this.replayTo(returning);
      const missed = () => replay.exchange(position.exchange, request, reply.position);
      const hasEnded = await reply.replay(missed());
      if (!hasEnded && !isUnderWay) await this.awaitEnd(session, reply, missed);
      if (isUnderWay) reply.goOn();
      else reply.abandon();
    } catch (error) {
      // The client comes again with what it has.
      reply.abandon();
      throw error;
    }
  }

  /** What a client missed on the stream of GET. */
  async *missed(returning: Missing): AsyncGenerator<Told> {
    await this.recall(returning.session);
    yield* this.replayTo(returning).unasked(returning.position.after);
  }

  /** What the target asked of the client before this process knew the session may still be answered. */
  recall(session: GatewaySession): Promise<void> {
    if (!session.wasServedBefore) return DONE;
    let recalling = this.recalled.get(session);
    if (!recalling) {
      recalling = this.readAsked(session);
      this.recalled.set(session, recalling);
      recalling.catch(() => this.recalled.delete(session));
    }
    return recalling;
  }

  private replayTo({ session, context, response }: Missing): Replay {
    const { reader, live, sessions } = this;
    const isOpen = ({ id }: GatewaySession) => sessions.isOpen(id);
    const isWanted = () => !response.destroyed && !response.writableEnded;
    return new Replay({ session, context, reader, live, isOpen, isWanted });
  }

  /** From the newest on, so that an id that was used again counts as it was used last. */
  private async readAsked(session: GatewaySession): Promise<void> {
    const seen = new Set<string>();
    const asked: McpRequest[] = [];
    for await (const { event } of this.reader.questions(session.id)) {
      const message = questionOrAnswer(event);
      if (!message?.id || seen.has(idKey(message.id))) continue;
      seen.add(idKey(message.id));
      if (message.kind === "request" && wasAsked(event)) asked.push(message);
      if (seen.size >= ASKED_LIMIT) break;
    }
    // The oldest first: it is the first to be forgotten when too much is asked.
    for (const question of asked.reverse()) session.expectAnswer(question);
  }

  /** One stream for one exchange: the newest one. */
  private takeOver({ session, response, position }: Returning): ResumedReply {
    const { exchange, after } = position;
    const replies = this.resumed.get(session) ?? new Map<number, ResumedReply>();
    this.resumed.set(session, replies);
    replies.get(exchange)?.replace();
    replies.delete(exchange);
    const [oldest] = replies.size >= MAX_RESUMED ? replies : [];
    if (oldest) replies.delete(oldest[0]);
    oldest?.[1].replace();
    const reply = new ResumedReply(new EventStream(response), exchange, after);
    replies.set(exchange, reply);
    response.once("close", () => {
      if (replies.get(exchange) === reply) replies.delete(exchange);
    });
    return reply;
  }

  /** False when nobody here works on the exchange, or nobody waits for its answer. */
  private attach(returning: Returning, reply: ResumedReply): boolean {
    const { session, context, position, principal } = returning;
    const exchange = session.exchange(position.exchange);
    if (!exchange || exchange.cancelled) return false;
    const before = exchange.reply;
    if (before === reply) return true;
    exchange.reply = reply;
    // What the client may hear is up to the token it comes back with; that is decided with the next message.
    const { session: usage, now } = exchange.question.context;
    exchange.question = { ...exchange.question, context: { ...context, session: usage, now } };
    exchange.epoch = 0n;
    before.abandon();
    exchange.held?.returned(principal);
    this.endInTime(returning, reply);
    return true;
  }

  /** What another process held until people decide. False when nothing waits. */
  private async takeUp(returning: Returning, reply: ResumedReply, request: McpRequest): Promise<boolean> {
    const { session, principal, target, position } = returning;
    const left = { session, principal, target, reply, request, number: position.exchange };
    if (!(await this.left.takeUp(left))) return false;
    this.endInTime(returning, reply);
    return this.attach(returning, reply);
  }

  private endInTime({ session, response }: Returning, reply: ResumedReply): void {
    const { streamSeconds } = this.config;
    if (streamSeconds === 0 || !session.isPrimed) return;
    const timer = setTimeout(() => reply.abandon(), streamSeconds * 1_000);
    response.once("close", () => clearTimeout(timer));
  }

  private async awaitEnd(
    session: GatewaySession,
    reply: ResumedReply,
    missed: () => ReturnType<Replay["exchange"]>,
  ): Promise<void> {
    const deadline = Date.now() + ORPHAN_PATIENCE_MS;
    while (reply.open && !session.ended && Date.now() < deadline) {
      await sleep(LOOK_AGAIN_MS);
      if (await reply.replay(missed())) return;
    }
  }
}

const DONE = Promise.resolve();

/** What a target asks for in a result is recorded as a question as well, and is none of these. */
function questionOrAnswer(event: RecordedEvent): McpRequest | McpResponse | undefined {
  const message = messageOf(event);
  if (event.kind === "server_request") return message?.kind === "request" ? message : undefined;
  return message?.kind === "response" ? message : undefined;
}

function unknownEvent(): GatewayError {
  const message = "Last-Event-ID names no event of this session; leave it out to listen from now on";
  return new GatewayError({ status: 400, code: RpcErrorCode.InvalidRequest, message });
}
