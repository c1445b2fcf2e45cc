import { setTimeout as sleep } from "node:timers/promises";
import { Logger } from "@nestjs/common";
import { status } from "@grpc/grpc-js";
import {
  Era,
  ExchangeFailure,
  type SessionRequest,
  type SessionRequest_ExchangeFailed as Failed,
  type SessionRequest_Message as Message,
  type SessionRequest_MessageChunk as Chunk,
  type SessionRequest_ToolDefinitions as Tools,
  type TargetDefinition,
} from "@drawbridge/protocol";
import { closed, endCall, finishCall, type SessionCall } from "./agent-calls.js";
import type { LinkTimings } from "./link-timings.js";
import { RefusedCall } from "./refused-call.js";
import {
  AgentUnavailableError,
  type ChunkFromTarget,
  type MessageToTarget,
  type OpenSessionLink,
  type SessionLink,
  type SessionLinkListener,
} from "./session-link.js";
import { SessionOutbox } from "./session-outbox.js";
import { SessionTurns } from "./session-turns.js";
import { SessionTransfers, type TransferRefusal } from "./session-transfers.js";

type Heard = Exclude<NonNullable<SessionRequest["frame"]>, { $case: "attach" }>;

const MAX_OPEN_EXCHANGES = 1_024;
const MAX_REASON_LENGTH = 1_000;
const MAX_VERSIONS = 32;
const VERSION = /^[\w.-]{1,32}$/;
// MCP asks for 128 at most.
const MAX_TOOL_NAME_LENGTH = 256;
const DIGEST_BYTES = 32;
const NO_PARAMETER_HEADERS = {};
const NO_DIGEST = Buffer.alloc(0);
const TARGET_GONE = "the target of this session is gone; initialize again";

export interface LinkedSessionOptions {
  readonly sessionId: string;
  readonly agentId: string;
  readonly definition: TargetDefinition;
  readonly era: OpenSessionLink["era"];
  readonly listener: SessionLinkListener;
  readonly timings: LinkTimings;
  readonly maxMessageBytes: number;
  readonly checksTools: boolean;
  /** Only the target that runs already will do. */
  readonly mustResume: boolean;
  /** Called once, when the session is over here. */
  readonly onOver: (session: LinkedSession) => void;
  /** Tells the agent over its control stream to stop the target. */
  readonly stopAtAgent: (reason: string) => void;
}

/**
 * One session at its agent.
 *
 *   opening ──attach──► attached ◄──attach── detached
 *      │                 │    └─stream or link lost─►│
 *      └─────────► over ◄┴──── target ended, closed ─┴── not back in time
 */
export class LinkedSession implements SessionLink {
  readonly sessionId: string;
  readonly agentId: string;
  readonly checksTools: boolean;
  readonly #options: LinkedSessionOptions;
  readonly #outbox: SessionOutbox;
  readonly #openExchanges = new Set<number>();
  readonly #transfers = new SessionTransfers();
  readonly #attached = Promise.withResolvers<void>();
  readonly #logger = new Logger("agents");
  #call: SessionCall | undefined;
  #wasAttached = false;
  #isOver = false;
  #deadline: NodeJS.Timeout | undefined;
  readonly #turns = new SessionTurns((error) => this.#listenerFailed(error));

  constructor(options: LinkedSessionOptions) {
    this.sessionId = options.sessionId;
    this.agentId = options.agentId;
    this.checksTools = options.checksTools;
    this.#options = options;
    this.#outbox = new SessionOutbox(options.timings.repeat);
    this.#attached.promise.catch(() => undefined);
  }

  // ── from the gateway ───────────────────────────────────────────────────────────────────────────────────────────

  /** Resolves when the agent attached the session. @throws AgentUnavailableError when it did not in time */
  async opened(): Promise<void> {
    const late = setTimeout(
      () => this.#giveUp("the agent did not answer in time; try again"),
      this.#options.timings.attach,
    );
    try {
      await this.#attached.promise;
    } finally {
      clearTimeout(late);
    }
  }

  async send(message: MessageToTarget): Promise<void> {
    this.#refuseUnsendable(message);
    const { exchange, payload, protocolVersion, parameterHeaders = NO_PARAMETER_HEADERS } = message;
    if (exchange !== 0) this.#openExchanges.add(exchange);
    const toolDigest = message.toolDigest ? asBuffer(message.toolDigest) : NO_DIGEST;
    const value = { exchange, payload: asBuffer(payload), protocolVersion, parameterHeaders, toolDigest };
    try {
      await this.#outbox.push({ $case: "message", value }, exchange);
    } catch (error) {
      this.#openExchanges.delete(exchange);
      throw error;
    }
  }

  #refuseUnsendable({ exchange, payload }: MessageToTarget): void {
    if (this.#isOver) throw new AgentUnavailableError("the session at the agent is over; initialize again");
    if (payload.length > this.#options.maxMessageBytes) {
      throw new AgentUnavailableError(`the message is larger than ${this.#options.maxMessageBytes} bytes`);
    }
    if (this.#openExchanges.has(exchange)) throw new Error("an exchange is used twice in one session");
    if (this.#outbox.isFull || this.#openExchanges.size >= MAX_OPEN_EXCHANGES) {
      throw new AgentUnavailableError(
        "too many messages of this session wait for the agent; try again later",
      );
    }
  }

  cancel(exchange: number, reason: string): void {
    if (this.#isOver || !this.#openExchanges.has(exchange)) return;
    if (this.#outbox.withdraw(exchange, "the call was cancelled before it was sent") || this.#outbox.isFull)
      return;
    void this.#outbox
      .push({ $case: "cancelExchange", value: { exchange, reason } }, 0)
      .catch(() => undefined);
  }

  listTools(): void {
    if (!this.checksTools || this.#isOver || this.#outbox.isFull) return;
    void this.#outbox.push({ $case: "listTools", value: {} }, 0).catch(() => undefined);
  }

  close(reason: string): void {
    if (this.#finish(reason)) this.#stopTarget(reason);
  }

  // ── from the agent ─────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Gives the session a stream. Resolves when its frames may be read: what the stream before it still carries comes
   * first. `isAccepted`: the agent has been told already that the stream is wanted.
   */
  async attach(
    call: SessionCall,
    { resumed, isAccepted }: { resumed: boolean; isAccepted: boolean },
  ): Promise<void> {
    if (!resumed && (this.#options.mustResume || this.#outbox.hasWritten)) {
      this.#targetGone();
      throw new RefusedCall(status.NOT_FOUND, TARGET_GONE);
    }
    const before = this.#call;
    this.#call = call;
    this.#wasAttached = true;
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
    if (!isAccepted) {
      const { definition: target, era } = this.#options;
      call.write({ frame: { $case: "open", value: { target, era: ERA[era] } } });
    }
    this.#outbox.connect(call);
    this.#attached.resolve();
    call.once("close", () => this.#lost(call));
    if (before) await this.#handOver(before);
    await this.#inTurn(() => this.#cutOffTransfers());
  }

  /** Deals with one frame. Resolves when the next one may be read. */
  async receive({ frame }: SessionRequest): Promise<void> {
    if (this.#isOver) return;
    if (frame === undefined || frame.$case === "attach") {
      throw new RefusedCall(status.INVALID_ARGUMENT, "a session stream carries one attach and known frames");
    }
    if (frame.$case === "toolDefinitions") {
      await this.#turns.beforeOthers(() => (this.#isOver ? undefined : this.#hear(frame)));
      return;
    }
    const place = this.#options.era === "modern" ? placeOf(frame) : undefined;
    if (place) {
      await this.#turns.besideOthers(place, () => (this.#isOver ? undefined : this.#hear(frame)));
      return;
    }
    await this.#inTurn(() => this.#hear(frame));
    // What the target said before it ended is heard before its end.
    if (frame.$case === "targetEnded") this.end(frame.value.reason);
  }

  /** The session is over and not because of the gateway, which is told once it has heard everything before. */
  end(reason: string): void {
    const shown = reason.slice(0, MAX_REASON_LENGTH);
    const wasOpening = !this.#wasAttached;
    if (!this.#finish(shown)) return;
    if (this.#call) finishCall(this.#call);
    if (wasOpening) return;
    void this.#turns.inTurn(() =>
      this.#options.listener.onEnded(shown).catch((error: unknown) => this.#logFailure(error)),
    );
  }

  /** The agent's link or stream is gone: it has `ms` to come back with the session. */
  expectBack(ms: number): void {
    if (this.#isOver || this.#deadline) return;
    if (!this.#wasAttached) {
      this.#giveUp("the connection to the agent was lost; try again");
      return;
    }
    this.#deadline = setTimeout(() => this.#agentLost(), Math.max(0, ms));
  }

  /** This replica stops; the agent keeps the target for another one. The listener hears nothing. */
  release(): void {
    if (!this.#finish("the control plane is shutting down; try again")) return;
    if (this.#call)
      endCall(this.#call, { code: status.UNAVAILABLE, details: "the control plane is shutting down" });
  }

  forgetConfirmed(): void {
    this.#outbox.forgetConfirmed();
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #hear(frame: Heard): Promise<void> {
    const { listener } = this.#options;
    switch (frame.$case) {
      case "message":
        return this.#receiveMessage(frame.value);
      case "messageChunk":
        return this.#receiveChunk(frame.value);
      case "exchangeFailed":
        return this.#receiveFailure(frame.value);
      case "stderr":
        return listener.onStderr(frame.value.text);
      case "targetVersions":
        return listener.onVersions(usable(frame.value.versions));
      case "toolDefinitions":
        return this.#receiveTools(frame.value);
      case "targetEnded":
        return;
      default:
        frame satisfies never;
    }
  }

  async #receiveMessage({ exchange, payload, masked, final }: Message): Promise<void> {
    // After a broken stream the agent repeats results that may have been lost with it.
    if (final && exchange !== 0 && !this.#settle(exchange)) return;
    await this.#options.listener.onMessage({ exchange, payload, masked, final });
  }

  /** What nobody could accept or call is left out, and so never shown to anybody. */
  async #receiveTools({ tools, complete, failure }: Tools): Promise<void> {
    const readable = tools.filter(
      ({ name, digest }) =>
        name.length > 0 &&
        name.length <= MAX_TOOL_NAME_LENGTH &&
        !name.includes("\0") &&
        digest.length === DIGEST_BYTES,
    );
    await this.#options.listener.onTools({
      tools: readable,
      complete: complete && failure === "",
      failure: failure === "" ? undefined : failure.slice(0, MAX_REASON_LENGTH),
    });
  }

  async #receiveChunk(chunk: Chunk): Promise<void> {
    const { transfer, payload, end, aborted } = chunk;
    const isForNobody = end && !this.#openExchanges.has(end.exchange);
    if (aborted || isForNobody) return this.#abortTransfer(transfer);
    const refusal = this.#transfers.refusalOf(chunk, this.#openExchanges.size);
    if (refusal) return this.#refuseChunk(chunk, refusal);
    if (!end) return payload.length === 0 ? undefined : this.#carry({ transfer, payload, aborted });
    this.#settle(end.exchange);
    this.#transfers.answered(transfer);
    return this.#carry({ transfer, payload, aborted, end });
  }

  async #carry(chunk: ChunkFromTarget): Promise<void> {
    await this.#options.listener.onChunk(chunk);
  }

  /** The agent does not know, so nobody but us can end the exchange; which one it is, the last piece says. */
  async #refuseChunk({ transfer, end }: Chunk, refusal: TransferRefusal): Promise<void> {
    await this.#abortTransfer(transfer);
    if (!end) this.#transfers.refuse(transfer, refusal);
    else await this.#receiveFailure({ ...refusal, exchange: end.exchange, supportedVersions: [] });
  }

  /** Its listener hears of it if it had heard of the response before. */
  async #abortTransfer(transfer: number): Promise<void> {
    const wasCarried = this.#transfers.has(transfer);
    this.#transfers.over(transfer);
    if (wasCarried) await this.#carry({ transfer, payload: Buffer.alloc(0), aborted: true });
  }

  async #cutOffTransfers(): Promise<void> {
    for (const transfer of this.#transfers.cutOff())
      await this.#carry({ transfer, payload: Buffer.alloc(0), aborted: true });
  }

  async #receiveFailure({ exchange, failure, message, supportedVersions }: Failed): Promise<void> {
    if (!this.#settle(exchange)) return;
    await this.#options.listener.onExchangeFailed({
      exchange,
      failure: isKnown(failure) ? failure : ExchangeFailure.OUTCOME_UNKNOWN,
      message: message.slice(0, MAX_REASON_LENGTH),
      supportedVersions: usable(supportedVersions),
    });
  }

  /** False for an exchange that has ended before. */
  #settle(exchange: number): boolean {
    this.#outbox.answered(exchange);
    return this.#openExchanges.delete(exchange);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    return this.#turns.inTurn(() => (this.#isOver ? undefined : work()));
  }

  #listenerFailed(error: unknown): void {
    this.#logFailure(error);
    const reason = "what the target said could not be dealt with at the control plane";
    if (!this.#isOver) this.#stopTarget(reason);
    this.end(reason);
  }

  #stopTarget(reason: string): void {
    if (!this.#call) {
      this.#options.stopAtAgent(reason);
      return;
    }
    this.#call.write({ frame: { $case: "close", value: { reason } } });
    finishCall(this.#call);
  }

  #logFailure(error: unknown): void {
    this.#logger.error("a session failed at the control plane", {
      session: this.sessionId,
      error: error instanceof Error ? error.stack : String(error),
    });
  }

  #lost(call: SessionCall): void {
    if (call !== this.#call) return;
    this.#call = undefined;
    this.#outbox.disconnect();
    const { permission, slack } = this.#options.timings;
    this.expectBack(permission + slack);
  }

  /** Lets the stream before this one deliver what was on its way. */
  async #handOver(before: SessionCall): Promise<void> {
    const done = new AbortController();
    const late = sleep(this.#options.timings.handover, undefined, { signal: done.signal }).catch(
      () => undefined,
    );
    await Promise.race([closed(before), late]);
    done.abort();
    endCall(before, { code: status.ABORTED, details: "a newer stream serves this session" });
  }

  #targetGone(): void {
    this.#attached.reject(new AgentUnavailableError(TARGET_GONE));
    this.end(TARGET_GONE);
  }

  #agentLost(): void {
    this.end("the agent is lost; whether it finished what it was doing is not known");
    this.#options.stopAtAgent("the control plane gave the session up");
  }

  /** Before it was attached: nothing was sent and nobody listens yet. */
  #giveUp(reason: string): void {
    this.#attached.reject(new AgentUnavailableError(reason));
    if (this.#finish(reason)) this.#options.stopAtAgent(reason);
  }

  /** False when it was over already. */
  #finish(reason: string): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    clearTimeout(this.#deadline);
    this.#outbox.close(reason);
    this.#openExchanges.clear();
    this.#attached.reject(new AgentUnavailableError(reason));
    this.#options.onOver(this);
    return true;
  }
}

const ERA = { legacy: Era.LEGACY, modern: Era.MODERN } as const;

/** Clients are told them; what no revision looks like is left out. */
function usable(versions: readonly string[]): string[] {
  return versions.slice(0, MAX_VERSIONS).filter((version) => VERSION.test(version));
}

/**
 * In the modern era the exchanges of a session are those of several programs: none waits for what another one reads or
 * commits (in the legacy era they share a stream, whose order counts). Undefined for what comes after everything before:
 * pieces of large responses, which say at the end only whose they are, and the end of the target.
 */
function placeOf(frame: Heard): { exchange: number; bytes: number } | undefined {
  switch (frame.$case) {
    case "message":
      return { exchange: frame.value.exchange, bytes: frame.value.payload.length };
    case "exchangeFailed":
      return { exchange: frame.value.exchange, bytes: 0 };
    case "stderr":
      return { exchange: 0, bytes: frame.value.text.length };
    case "targetVersions":
      return { exchange: 0, bytes: 0 };
    case "messageChunk":
    case "targetEnded":
    case "toolDefinitions":
      return undefined;
  }
}

function isKnown(failure: ExchangeFailure): boolean {
  return failure !== ExchangeFailure.UNSPECIFIED && failure !== ExchangeFailure.UNRECOGNIZED;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
