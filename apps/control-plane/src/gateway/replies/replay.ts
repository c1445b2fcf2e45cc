import {
  errorResponse,
  type McpMessage,
  type McpRequest,
  MalformedMessageError,
  METHODS,
  parseMessage,
} from "@drawbridge/mcp";
import { type Context, evaluate } from "@drawbridge/policy";
import { ExchangeFailure } from "@drawbridge/protocol";
import { EXCHANGE_ENDS, type RecordedEvent } from "@drawbridge/recording";
import { type RecordingReader, storedResponse } from "../../recordings/index.js";
import { decideNow, type Question, withGrants } from "../decisions/decide.js";
import { maySeeSession } from "../decisions/locked.js";
import { accessEnded, FAILURES, unknownOutcome } from "../traffic/exchange-failures.js";
import type { GatewaySession, Told } from "../sessions/gateway-session.js";
import type { LargeMessage } from "./large-message.js";
import { storedMessage } from "../traffic/large-responses.js";
import type { LiveSnapshot, LiveState } from "../decisions/live-state.js";
import type { Replayed } from "./resumed-reply.js";
import { AS_RECORDED, visiblePart } from "../decisions/visible-part.js";

// What was true a moment ago is good enough while a client is read what it missed: nothing of it is new.
const LOOK_AGAIN_MS = 1_000;

/** Who is read to, and from where. */
export interface Reading {
  readonly session: GatewaySession;
  readonly context: Context;
  readonly reader: RecordingReader;
  readonly live: Pick<LiveState, "now">;
  /** Whether nobody has ended the session, here or at another control plane. */
  readonly isOpen: (session: GatewaySession) => Promise<boolean>;
  /** Whether somebody still reads: there may be thousands of events that are not told. */
  readonly isWanted: () => boolean;
}

/** One reading of a recording to the client whose session it is. What may be heard is decided again. */
export class Replay {
  private snapshot: LiveSnapshot | undefined;
  private lookedAt = 0;

  constructor(private readonly reading: Reading) {}

  /** What was told on the stream of GET. */
  async *unasked(after: number): AsyncGenerator<Told> {
    const { session, reader, isWanted } = this.reading;
    const range = { exchange: 0, after, direction: "target_to_client" } as const;
    for await (const { index, event } of reader.events(session.id, range)) {
      if (!isWanted()) return;
      if (await this.mayHear(event)) yield { message: event.payload, index };
    }
  }

  /** What was told of one exchange, up to its end or what is recorded by now. */
  async *exchange(exchange: number, request: McpRequest, after: number): AsyncGenerator<Replayed> {
    const { session, reader, isWanted } = this.reading;
    for await (const { index, event } of reader.events(session.id, { exchange, after })) {
      if (!isWanted()) return;
      const isLast = (EXCHANGE_ENDS as readonly string[]).includes(event.kind);
      if (isLast) yield { index, isLast, message: await this.endOf(request, event) };
      else if ((await this.permitted(request)) && (await this.mayHear(event)))
        yield { index, isLast, message: event.payload };
      if (isLast) return;
    }
  }

  private async endOf(request: McpRequest, event: RecordedEvent): Promise<Uint8Array | LargeMessage> {
    if (event.kind !== "response") return event.payload.length > 0 ? event.payload : errorFor(request, event);
    const permitted = await this.permitted(request);
    if (!permitted) return accessEnded(request.id);
    const { session, reader } = this.reading;
    const stored = storedResponse(event.attributes);
    const mayGoOn = async () => (await this.permitted(request)) !== undefined;
    if (stored) return storedMessage({ session, stored, mayGoOn }, reader);
    const response = messageOf(event);
    const visible =
      response?.kind === "response"
        ? visiblePart(response, permitted.question, permitted.live, AS_RECORDED)
        : undefined;
    return visible ?? accessEnded(request.id);
  }

  /** With what it was decided; undefined when the request would not be allowed now. */
  private async permitted(
    message: McpRequest,
  ): Promise<{ question: Question; live: LiveSnapshot } | undefined> {
    const { session, context } = this.reading;
    const live = await this.now();
    const target = live?.targets.get(session.target);
    if (!live || !target || session.ended) return undefined;
    const { targetId, era, id: sessionId, agentId } = session;
    const usage = session.usage.seenAgainBy(message, new Date());
    const question = {
      target,
      targetId,
      sessionId,
      agentId,
      context: { ...context, session: usage },
      message,
      era,
    };
    // What needed an approval had it, or there would be no answer.
    return decideNow(live, question).effect === "deny" ? undefined : { question, live };
  }

  /** Of what was said beside answers: not what was withheld, and no question that is answered already. */
  private async mayHear(event: RecordedEvent): Promise<boolean> {
    const { session, context } = this.reading;
    const { method } = event;
    if (session.ended || method === undefined || !wasTold(event, session)) return false;
    const live = await this.now();
    const target = live?.targets.get(session.target);
    if (!live || !target || !maySeeSession(live, session, context)) return false;
    // A method of no revision passes where a rule names it, as a question does.
    if (event.kind === "notification" && METHODS.has(method)) return true;
    const usage = session.usage.seenBy({ method }, new Date());
    const granted = withGrants(live, { context, targetId: target.id, sessionId: session.id });
    return evaluate(live.policies, { target, method }, { ...granted, session: usage }).effect === "allow";
  }

  /** Undefined when the session was ended, at whichever control plane. */
  private async now(): Promise<LiveSnapshot | undefined> {
    const { session, live, isOpen } = this.reading;
    if (Date.now() - this.lookedAt > LOOK_AGAIN_MS) {
      const now = await live.now();
      this.snapshot = (await isOpen(session)) ? now : undefined;
      this.lookedAt = Date.now();
    }
    return this.snapshot;
  }
}

/** The message of an event; undefined when there is none in it. */
export function messageOf({ payload }: RecordedEvent): McpMessage | undefined {
  try {
    return parseMessage(payload);
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

/** Whether it was put to the client. */
export function wasAsked({ attributes }: RecordedEvent): boolean {
  const decision = attributes["decision"] as { effect?: unknown } | undefined;
  return decision?.effect === "allow";
}

function wasTold(event: RecordedEvent, session: GatewaySession): boolean {
  const { kind, direction, attributes } = event;
  if (
    direction !== "target_to_client" ||
    attributes["dropped"] !== undefined ||
    attributes["unexpected"] !== undefined
  )
    return false;
  return kind === "notification" || (kind === "server_request" && isStillAsked(event, session));
}

function isStillAsked(event: RecordedEvent, session: GatewaySession): boolean {
  const message = wasAsked(event) ? messageOf(event) : undefined;
  return message?.kind === "request" && session.isAsked(message.id);
}

/** For an end that was told to nobody when it was written. */
function errorFor(request: McpRequest, { kind }: RecordedEvent): Uint8Array {
  const { code, says } =
    kind === "not_sent"
      ? FAILURES[ExchangeFailure.NOT_SENT]
      : unknownOutcome("the control plane or the agent stopped before an answer came");
  return errorResponse(request.id, { code, message: says });
}
