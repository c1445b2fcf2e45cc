import { type Era, idKey, type JsonRpcId, type McpMessage, type McpRequest } from "@drawbridge/mcp";
import type { Context } from "@drawbridge/policy";
import type { SessionLink } from "../../agents/index.js";
import type { Principal } from "../../identity/index.js";
import type { Hold } from "../../limits/index.js";
import type { ChangingList } from "../decisions/changed-lists.js";
import type { GatewayDecision, Question } from "../decisions/decide.js";
import type { HeldBody } from "../edge/held-bodies.js";
import type { EditedCall } from "../holding/edited-results.js";
import { eventId, type EventStream } from "../replies/event-stream.js";
import type { ExchangeReply } from "../replies/reply.js";
import { SessionTools } from "./session-tools.js";
import { type CallsSoFar, UsageOfSession } from "./session-usage.js";

/** A request of the client that has not been answered yet. */
export interface Exchange {
  /** Names it in the recording and on the agent's stream; unique within the session. */
  readonly number: number;
  readonly id: JsonRpcId;
  readonly method: string;
  readonly name: string | undefined;
  /** Another one once the client has come back for what it missed. */
  reply: ExchangeReply;
  /** What was decided, to decide it again when the authorization epoch has moved. */
  question: Question;
  epoch: bigint;
  /** It was allowed or refused, and that is recorded. */
  decided: boolean;
  /** It may have reached the target. */
  sent: boolean;
  /** The client has said that it no longer waits. */
  cancelled: boolean;
  /** It would be denied now: if it was not sent yet, it never is. */
  revoked?: boolean;
  /** What the request came in: held until the request is answered. */
  readonly body: HeldBody;
  /** What it has of the limits of its rules. */
  hold?: Hold | undefined;
  /** While it waits for people, from the moment on in which that is decided: it is not sent. */
  held?: HeldExchange | undefined;
  /** What it was sent under where its rule asks for an approval: the approval, or the grant to run the same again. */
  approval?: string | undefined;
  /** To be called when its caller is told the answer of what was approved. */
  heard?: (() => void) | undefined;
  /** Of a call that an approver changed before it ran: its answer says so. */
  edited?: EditedCall | undefined;
}

/** Why a request does not wait any longer for people. */
export type EndOfWaiting =
  /** The client has said that it does not want it, or in the modern era has closed the connection. */
  | { readonly why: "unwanted" }
  /** The connection is gone, and nobody can come back for it. */
  | { readonly why: "left" }
  /** It has waited for as long as one request may, or its token is about to expire. */
  | { readonly why: "late" }
  /** This control plane stops. */
  | { readonly why: "stopping" }
  /** It would be denied now, whoever approves it. */
  | { readonly why: "denied"; readonly decision: GatewayDecision }
  /** The session has ended, which has told the recording already what became of the request. */
  | { readonly why: "ended" };

/** A request that waits for people, for whoever knows that it should not any longer. */
export interface HeldExchange {
  readonly awaits: "approval" | "access";
  /** Why it does not wait any longer; undefined while it does. */
  readonly over: EndOfWaiting | undefined;
  /** The first reason counts. */
  end(reason: EndOfWaiting): void;
  /** The client has come back with another connection, `Exchange.reply`, and shown this token. */
  returned(principal: Principal): void;
}

export interface SessionIdentity {
  readonly id: string;
  readonly principal: string;
  readonly oauthClient: string;
  readonly target: string;
  readonly targetId: string;
  /** Of the target's definition, when the session was opened. */
  readonly targetRevision: number;
  /** The session speaks one, from its first message on. */
  readonly era: Era;
  readonly openedAt: Date;
  /** What the client program says it is called. */
  readonly clientName?: string | undefined;
}

/** What another process has left of a session. */
export interface LeftOfSession {
  readonly lastExchange: number;
  readonly calls: CallsSoFar;
}

/** A message that belongs to no request, with its place in the recording: a client that comes back is read it from there. */
export interface Told {
  readonly message: Uint8Array;
  /** Undefined for what cannot be read again as part of this stream. */
  readonly index: number | undefined;
}

/** The event stream, with whom it was opened for and the epoch until which that is known to be right. */
export interface Listener {
  readonly stream: EventStream;
  readonly context: Context;
  epoch: bigint;
  /** Resolves when it has been read what it missed. */
  readonly caughtUp: Promise<void>;
  /** The last index that was read to it. */
  last: number;
}

// Messages for a client that has no event stream open. More than that and the oldest are lost to it, not to the recording.
const BACKLOG_LIMIT = 256;
const BACKLOG_BYTES = 256 * 1024;
// Messages of the client that are held: requests until they are answered and, apart from them, so that a request can
// always be cancelled, others until they are passed on.
const HELD_LIMIT = 128;
const HELD_BYTES = 64 * 1024 * 1024;
/** Questions of the target that the client may still answer. */
export const ASKED_LIMIT = 64;
// Where an answer is an event stream that the client may leave and come back to.
const PRIMED_REVISION = "2025-11-25";

/** One open session as this replica sees it. What must survive is in Postgres. */
export class GatewaySession {
  readonly id: string;
  readonly principal: string;
  readonly oauthClient: string;
  readonly target: string;
  readonly targetId: string;
  /** Of the target's definition: what its agent was given. */
  targetRevision: number;
  readonly era: Era;
  readonly clientName: string | undefined;
  readonly usage: UsageOfSession;
  readonly tools = new SessionTools();
  protocolVersion: string | undefined;
  /** Of a legacy session: the lists of which its target says that it tells when they change. Undefined where nobody here has heard. */
  announcedLists: ReadonlySet<ChangingList> | undefined;
  agentId: string | undefined;
  link: Promise<SessionLink> | undefined;
  listener: Listener | undefined;
  ended = false;
  /** The epoch up to which changes were acted upon. */
  changedAt = 0n;
  /** Who used it last, as their token says. Undefined until something is asked in it here. */
  usedBy: Context | undefined;
  /** When the last grant ends under which it was used; undefined where access never came from one. */
  grantedUntil: Date | undefined;
  /** Set when something happened that counts as use; written down now and then. */
  touched = true;
  private readonly askedOfClient = new Map<string, string>();
  private readonly exchanges = new Map<number, Exchange>();
  private readonly byRequestId = new Map<string, Exchange>();
  private readonly backlog: Told[] = [];
  private backlogBytes = 0;
  private deliveries = 0;
  private readonly passing = new Set<Uint8Array>();
  /** Another process has served it before: what that one knew is in the recording. */
  readonly wasServedBefore: boolean;

  private lastExchange: number;

  constructor(identity: SessionIdentity, left?: LeftOfSession) {
    this.lastExchange = left?.lastExchange ?? 0;
    this.wasServedBefore = this.lastExchange > 0;
    this.usage = new UsageOfSession(identity.openedAt, left?.calls);
    this.clientName = identity.clientName;
    this.id = identity.id;
    this.principal = identity.principal;
    this.oauthClient = identity.oauthClient;
    this.target = identity.target;
    this.targetId = identity.targetId;
    this.targetRevision = identity.targetRevision;
    this.era = identity.era;
  }

  nextExchangeNumber(): number {
    return ++this.lastExchange;
  }

  get inFlight(): Iterable<Exchange> {
    return this.exchanges.values();
  }

  get eventStream(): EventStream | undefined {
    return this.listener?.stream;
  }

  /** Whether answers are event streams that begin with an id to come back with. */
  get isPrimed(): boolean {
    return this.protocolVersion === PRIMED_REVISION;
  }

  /** Something is under way that has an end of its own; a subscription has none. */
  get busy(): boolean {
    return this.deliveries > 0 || [...this.exchanges.values()].some((exchange) => !isSubscription(exchange));
  }

  /** Subscriptions of the modern era: requests that stay open. */
  get listening(): readonly Exchange[] {
    return [...this.exchanges.values()].filter(isSubscription);
  }

  get inUse(): boolean {
    return this.deliveries > 0 || this.exchanges.size > 0 || this.eventStream?.open === true;
  }

  /** While something recorded is read to the client, the session is used. */
  async whileBusy(delivery: Promise<void>): Promise<void> {
    this.deliveries += 1;
    try {
      await delivery;
    } finally {
      this.deliveries -= 1;
    }
  }

  /** Whether there is room for one more message of the client. An idle session takes any. */
  hasRoomFor({ kind, bytes }: McpMessage): boolean {
    const held =
      kind === "request"
        ? [...this.exchanges.values()].map(({ question }) => question.message.bytes)
        : [...this.passing];
    const heldBytes = held.reduce((sum, { length }) => sum + length, 0);
    return held.length === 0 || (held.length < HELD_LIMIT && heldBytes + bytes.length <= HELD_BYTES);
  }

  /** While a message that is no request is passed on, it is held. */
  async whilePassing({ bytes }: McpMessage, passing: Promise<void>): Promise<void> {
    this.passing.add(bytes);
    try {
      await passing;
    } finally {
      this.passing.delete(bytes);
    }
  }

  isInFlight(exchange: number): boolean {
    return this.exchanges.has(exchange);
  }

  begin(exchange: Exchange): void {
    this.exchanges.set(exchange.number, exchange);
    exchange.body.hold(exchange);
    // In the modern era several processes of a client share the session, each with ids of its own.
    if (this.era === "legacy") this.byRequestId.set(idKey(exchange.id), exchange);
  }

  /** From here on nobody can say that it did not run. */
  markSent(number: number): void {
    const exchange = this.exchanges.get(number);
    if (exchange) exchange.sent = true;
  }

  exchange(number: number): Exchange | undefined {
    return this.exchanges.get(number);
  }

  exchangeOf(id: JsonRpcId): Exchange | undefined {
    return this.byRequestId.get(idKey(id));
  }

  finish(exchange: Exchange): void {
    // Its id may be that of another one by now.
    if (!this.exchanges.delete(exchange.number)) return;
    exchange.body.letGo(exchange);
    void exchange.hold?.release();
    if (this.era === "legacy") this.byRequestId.delete(idKey(exchange.id));
  }

  /** The client was asked something by the target and may answer it, once. */
  expectAnswer({ id, method }: Pick<McpRequest, "id" | "method">): void {
    if (this.askedOfClient.size >= ASKED_LIMIT) {
      const [oldest] = this.askedOfClient.keys();
      if (oldest !== undefined) this.askedOfClient.delete(oldest);
    }
    this.askedOfClient.set(idKey(id), method);
  }

  isAsked(id: JsonRpcId): boolean {
    return this.askedOfClient.has(idKey(id));
  }

  /** The method that is answered with this id; undefined when nothing was asked, or it was answered already. */
  takeAsked(id: JsonRpcId): string | undefined {
    const method = this.askedOfClient.get(idKey(id));
    this.askedOfClient.delete(idKey(id));
    return method;
  }

  /** Gives the client what belongs to no request: on its event stream, or when it opens one. */
  async tellClient(message: Uint8Array, index?: number): Promise<void> {
    for (let { listener } = this; listener?.stream.open; listener = this.listener) {
      await listener.caughtUp;
      if (listener !== this.listener || !listener.stream.open) continue;
      if (index === undefined || index > listener.last) await sendTo(listener, { message, index });
      return;
    }
    this.backlog.push({ message, index });
    this.backlogBytes += message.length;
    while (this.backlog.length > BACKLOG_LIMIT || this.backlogBytes > BACKLOG_BYTES) this.takeOldest();
  }

  /** In place of the stream there was. `missed` comes first: what a client that comes back has not heard. */
  async attachEventStream(
    stream: EventStream,
    context: Context,
    epoch: bigint,
    missed: AsyncIterable<Told> | Iterable<Told> = [],
  ): Promise<void> {
    if (this.eventStream?.open) this.eventStream.cut();
    const { promise: caughtUp, resolve } = Promise.withResolvers<void>();
    const listener: Listener = { stream, context, epoch, caughtUp, last: -1 };
    this.listener = listener;
    try {
      for await (const told of missed) {
        if (!stream.open) return;
        await sendTo(listener, told);
        listener.last = told.index ?? listener.last;
      }
      await this.sendBacklog(listener);
    } catch (error) {
      // With a gap in it the client would never come back for what it missed.
      stream.end();
      throw error;
    } finally {
      resolve();
    }
  }

  private async sendBacklog(listener: Listener): Promise<void> {
    while (listener.stream.open) {
      const oldest = this.takeOldest();
      if (!oldest) return;
      if (oldest.index === undefined || oldest.index > listener.last) await sendTo(listener, oldest);
    }
  }

  private takeOldest(): Told | undefined {
    const oldest = this.backlog.shift();
    this.backlogBytes -= oldest?.message.length ?? 0;
    return oldest;
  }
}

/** Of the modern era: a request that stays open until somebody ends it. */
export function isSubscription({ method }: Pick<Exchange, "method">): boolean {
  return method === "subscriptions/listen";
}

function sendTo({ stream }: Listener, { message, index }: Told): Promise<void> {
  return stream.send(message, index === undefined ? undefined : eventId(0, index));
}
