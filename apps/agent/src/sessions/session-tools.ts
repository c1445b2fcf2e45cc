import {
  argumentsView,
  checkParameterHeaders,
  type Era,
  type JsonRpcId,
  type McpMessage,
  type McpRequest,
  type McpResponse,
} from "@drawbridge/mcp";
import {
  ExchangeFailure,
  type SessionRequest_ToolDefinitions as ToolDefinitions,
} from "@drawbridge/protocol";
import type { OutgoingMessage } from "../targets/target.js";
import type { Brake } from "./brake.js";
import { ClientLists, type ListAnswer, type ReadList } from "./client-lists.js";
import type { RequestHead } from "./exchanges.js";
import { HeldMessages } from "./held-messages.js";
import { OwnRequest } from "./own-request.js";
import { toolFrames } from "./tool-definition-frames.js";
import { type ListingStart, ToolKnowledge, type ToolList } from "./tool-knowledge.js";
import { type ListingOutcome, ToolListing } from "./tool-listing.js";
import type { ShownTool } from "./tool-page.js";

/** For all pages, and all attempts. */
const PATIENCE_MS = 10_000;
/** A target that says all the time that its tools have changed is asked no more often for one call. */
const ATTEMPTS = 3;
/** So long after a failure a target is not asked again, at most. */
const FAILURE_KEPT_MS = 5_000;
const KEPT_MS = 60_000;
const PAUSED_POLL_MS = 1_000;
const NO_DIGEST = new Uint8Array();

export interface SessionToolsOptions {
  readonly era: Era;
  readonly transport: "stdio" | "http" | "sse" | undefined;
  /** What may wait while the target is asked. */
  readonly heldBytes: number;
  readonly maxFrameBytes: () => number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Throws for what cannot be masked. */
  readonly mask: (payload: Uint8Array) => Uint8Array;
  /** Sends a message of the client to the target. */
  readonly pass: (message: OutgoingMessage) => void;
  /** Sends a request of the agent's own. */
  readonly send: (message: OutgoingMessage) => void;
  /** Nobody waits for a request of the agent's own any more. */
  readonly cancel: (exchange: number, request: RequestHead, reason: string) => void;
  readonly requestOf: (exchange: number) => RequestHead | undefined;
  readonly refuse: (exchange: number, failure: ExchangeFailure, reason: string) => void;
  readonly say: (frame: ToolDefinitions) => void;
  /** Stops the target. While anybody does, nothing of it is read: it cannot answer. */
  readonly brake: Brake;
}

/**
 * The tools that the target of one session shows, and the calls that depend on it: a call goes on when the definition
 * shown is the one that was accepted. What is not known from a list that the client read is asked for first, once; the
 * call waits for it. In a legacy session whatever the client sends after it waits too, except answers, which the target
 * may need for the list; in a modern one requests have no order.
 */
export class SessionTools {
  readonly #options: SessionToolsOptions;
  readonly #knowledge: ToolKnowledge;
  readonly #own: OwnRequest;
  readonly #held: HeldMessages<OutgoingMessage>;
  /** The header of a call to a process has to be checked here: an HTTP server does it itself (2026-07-28). */
  readonly #wantsHeaders: boolean;
  readonly #lists: ClientLists;
  #listing: ToolListing | undefined;
  #attempts = 0;
  #listingSince = 0;
  #timer: NodeJS.Timeout | undefined;
  #failure: { readonly reason: string; readonly until: number } | undefined;
  /** The control plane waits for the outcome. */
  #isWanted = false;
  #isOver = false;

  constructor(options: SessionToolsOptions) {
    this.#options = options;
    const isModern = options.era === "modern";
    this.#wantsHeaders = isModern && options.transport === "stdio";
    // Only a process that one client uses says without being asked that its tools have changed.
    const saysChanges = !isModern && options.transport === "stdio";
    const keptMs = saysChanges ? Number.POSITIVE_INFINITY : KEPT_MS;
    this.#knowledge = new ToolKnowledge({ keptMs, now: options.now });
    this.#own = new OwnRequest(options.era);
    this.#lists = new ClientLists({
      knowledge: this.#knowledge,
      wantsHeaders: this.#wantsHeaders,
      maxFrameBytes: options.maxFrameBytes,
      brake: options.brake,
    });
    this.#held = new HeldMessages(options.heldBytes);
  }

  // ── what the client sends ──────────────────────────────────────────────────────────────────────────────────────

  /** False: too much waits already; the message was not taken. */
  send(message: OutgoingMessage): boolean {
    const { parsed } = message;
    if (this.#mustWait(parsed)) return this.#held.push(message);
    if (!isCall(parsed)) {
      this.#pass(message);
      return true;
    }
    const known = this.#knowledge.current;
    if (known && known.disagreement(nameOf(parsed), message.toolDigest ?? NO_DIGEST) === undefined) {
      this.#passCall(message, parsed, known);
      return true;
    }
    const failure = this.#recentFailure;
    if (failure !== undefined) {
      this.#settleUnlisted(message, parsed, failure);
      return true;
    }
    const isHeld = this.#held.push(message);
    if (isHeld) this.#list();
    return isHeld;
  }

  /** True when the request of this exchange was still here and now never leaves. */
  withdraw(exchange: number): boolean {
    const wasHeld = this.#held.remove(exchange);
    if (wasHeld)
      for (const message of this.#held.takeWhile(({ parsed }) => !isCall(parsed))) this.#pass(message);
    return wasHeld;
  }

  /** Says what tools the target has. */
  list(): void {
    this.#isWanted = true;
    this.#list();
  }

  /** They cannot be asked for, now. */
  sayUnlistable(failure: string): void {
    this.#options.say({ tools: [], complete: false, failure });
  }

  /** Ends what is under way. Returns the exchanges whose calls were never sent. */
  close(): readonly number[] {
    this.#isOver = true;
    this.#stopListing();
    this.#lists.finish();
    this.#own.forget();
    return this.#held.takeAll().flatMap(({ exchange }) => (exchange === 0 ? [] : [exchange]));
  }

  // ── what the target sends ──────────────────────────────────────────────────────────────────────────────────────

  isWaiting(exchange: number): boolean {
    return this.#own.isWaiting(exchange);
  }

  /** Whether a response with this id is for the agent itself. */
  isAnsweredBy(id: JsonRpcId): boolean {
    return this.#own.isAnsweredBy(id);
  }

  /** True when the response was for the agent itself. */
  take(response: McpResponse): boolean {
    return this.#own.take(response);
  }

  /** The agent's own request will not be answered. `exchange` undefined: whichever it is. */
  failed(reason: string, exchange?: number, failure?: ExchangeFailure): void {
    if (exchange === undefined || this.#own.isWaiting(exchange)) this.#own.fail(reason, failure);
  }

  /** The target says that its tools are others now. */
  changed(): void {
    this.#knowledge.forget();
  }

  /** Reads an answer before its client is shown it. False when it is no list of tools. See ClientLists.read. */
  readList(exchange: number, answer: ListAnswer, onRead: (list: ReadList) => void): boolean {
    const head = this.#options.requestOf(exchange);
    return head !== undefined && this.#lists.read(head, answer, onRead);
  }

  // ── the agent's own list ───────────────────────────────────────────────────────────────────────────────────────

  #list(): void {
    if (this.#listing || this.#isOver) return;
    this.#attempts = 0;
    this.#listingSince = this.#options.now();
    this.#armTimer(PATIENCE_MS);
    this.#attempt();
  }

  #attempt(): void {
    this.#attempts += 1;
    const start = this.#knowledge.begin();
    const { send, mask } = this.#options;
    this.#listing = new ToolListing({
      ask: (params, answer) => send(this.#own.ask("tools/list", params, answer)),
      mask,
      wantsHeaders: this.#wantsHeaders,
      onDone: (outcome) => this.#listed(outcome, start),
    });
    this.#listing.start();
  }

  #listed(outcome: ListingOutcome, start: ListingStart): void {
    if ("reason" in outcome) {
      this.#unlisted(outcome.reason, outcome.failure);
      return;
    }
    const { tools, shown } = outcome;
    const isToldInOne = this.#say(shown, true);
    // Who asked for all of them hears here that the last part has come.
    if (this.#isWanted && !isToldInOne) this.sayUnlistable("they are too many for one message");
    this.#isWanted = false;
    this.#failure = undefined;
    const isCurrent = this.#knowledge.learn(tools, start);
    if (isCurrent || this.#held.isEmpty) {
      this.#stopListing();
      // The client may have read a newer one.
      const shownNow = this.#knowledge.current ?? tools;
      this.#settle((message, call) => this.#settleListed(message, call, shownNow));
    } else if (this.#attempts < ATTEMPTS) {
      this.#attempt();
    } else {
      this.#unlisted("they change while they are listed");
    }
  }

  #unlisted(reason: string, failure?: ExchangeFailure): void {
    this.#stopListing();
    const now = this.#options.now();
    // Not asking it for as long as it took to fail: it is heard again soon, and costs its session half of its time at most.
    this.#failure = { reason, until: now + Math.min(now - this.#listingSince, FAILURE_KEPT_MS) };
    if (this.#isWanted) this.sayUnlistable(reason);
    this.#isWanted = false;
    this.#settle((message, call) => {
      // Only initialize helps, and no call would get any further.
      if (failure === ExchangeFailure.SESSION_GONE) this.#options.refuse(message.exchange, failure, reason);
      else this.#settleUnlisted(message, call, reason);
    });
  }

  #stopListing(): void {
    clearTimeout(this.#timer);
    this.#listing?.stop();
    this.#listing = undefined;
  }

  /** What cannot be read cannot come in time: it is waited for until the control plane takes what there is. */
  #armTimer(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#options.brake.isHeld) {
        this.#armTimer(PAUSED_POLL_MS);
        return;
      }
      const late = this.#own.forget();
      this.#unlisted("it did not answer in time");
      if (late) this.#options.cancel(late.exchange, late.request, "the agent waited too long");
    }, ms);
  }

  #startOver(): void {
    this.#knowledge.forget();
    this.#failure = undefined;
  }

  get #recentFailure(): string | undefined {
    return this.#failure && this.#failure.until > this.#options.now() ? this.#failure.reason : undefined;
  }

  // ── calls ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #mustWait(parsed: McpMessage): boolean {
    return this.#options.era === "legacy" && !this.#held.isEmpty && parsed.kind !== "response";
  }

  #settle(settle: (message: OutgoingMessage, call: McpRequest) => void): void {
    let isOfNextSession = false;
    for (const message of this.#held.takeAll()) {
      if (isOfNextSession) this.send(message);
      else if (isCall(message.parsed)) settle(message, message.parsed);
      else this.#pass(message);
      isOfNextSession ||= isInitialize(message.parsed);
    }
  }

  #settleListed(message: OutgoingMessage, call: McpRequest, tools: ToolList): void {
    const problem = tools.disagreement(nameOf(call), message.toolDigest ?? NO_DIGEST);
    if (problem === undefined) this.#passCall(message, call, tools);
    else this.#options.refuse(message.exchange, ExchangeFailure.TOOL_CHANGED, problem);
  }

  /** A call of a tool that nobody knows anything about goes on: that was decided when it was sent here. */
  #settleUnlisted(message: OutgoingMessage, call: McpRequest, reason: string): void {
    const { exchange, toolDigest = NO_DIGEST, parameterHeaders } = message;
    const known = this.#knowledge.current;
    // It was to be asked for certainty, and what it has shown still counts.
    if (known) {
      this.#settleListed(message, call, known);
    } else if (toolDigest.length > 0) {
      const failure = ExchangeFailure.TARGET_UNAVAILABLE;
      this.#options.refuse(exchange, failure, `the target could not list its tools: ${reason}`);
    } else if (this.#wantsHeaders && Object.keys(parameterHeaders).length > 0) {
      // Without headers there is nothing that could say something else than the body.
      const problem = `the Mcp-Param headers cannot be checked: the target could not list its tools: ${reason}`;
      this.#options.refuse(exchange, ExchangeFailure.HEADER_MISMATCH, problem);
    } else {
      this.#pass(message);
    }
  }

  #passCall(message: OutgoingMessage, call: McpRequest, tools: ToolList): void {
    const schema = this.#wantsHeaders ? tools.headersOf(nameOf(call)) : undefined;
    const problem =
      schema === undefined
        ? undefined
        : checkParameterHeaders(schema, argumentsView(call), message.parameterHeaders);
    if (problem === undefined) this.#pass(message);
    else this.#options.refuse(message.exchange, ExchangeFailure.HEADER_MISMATCH, problem);
  }

  #pass(message: OutgoingMessage): void {
    const { parsed, exchange } = message;
    if (isInitialize(parsed)) this.#startOver();
    if (parsed.kind === "request" && parsed.method === "tools/list") {
      const head = this.#options.requestOf(exchange);
      if (head) this.#lists.sent(parsed, head);
    }
    this.#options.pass(message);
  }

  /** True when they fit into one frame. */
  #say(tools: readonly ShownTool[], isWhole: boolean): boolean {
    const frames = toolFrames(tools, { isWhole, maxBytes: this.#options.maxFrameBytes() });
    for (const frame of frames) this.#options.say(frame);
    return frames.length === 1;
  }
}

function isInitialize(message: McpMessage): boolean {
  return message.kind === "request" && message.method === "initialize";
}

function isCall(message: McpMessage): message is McpRequest {
  return message.kind === "request" && message.method === "tools/call";
}

function nameOf({ name = "" }: McpRequest): string {
  return name;
}
