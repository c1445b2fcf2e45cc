import { Injectable, Logger } from "@nestjs/common";
import { UnmaskableError } from "@drawbridge/masking";
import { type McpNotification, type McpRequest, RpcErrorCode } from "@drawbridge/mcp";
import type { EventAttributes } from "@drawbridge/recording";
import { Clock } from "../../platform/clock.js";
import { RecordingUnavailableError } from "../../recordings/index.js";
import { contextOf, decideNow, type GatewayDecision, gone, type Question } from "../decisions/decide.js";
import { FailedConditions } from "../decisions/failed-conditions.js";
import { listenFilter } from "../decisions/listen-filter.js";
import { type LiveSnapshot, LiveState } from "../decisions/live-state.js";
import { GatewayError, unavailable, unknownSession } from "../gateway-error.js";
import type { GatewaySession } from "../sessions/gateway-session.js";
import { clientNameOf } from "../sessions/session-opening.js";
import { SessionsService } from "../sessions/sessions.service.js";
import type { Incoming } from "./incoming.js";
import { Recorder, type ToRecord } from "./recorder.js";

type Operative = McpRequest | McpNotification;

export interface Authorized {
  readonly decision: GatewayDecision;
  readonly epoch: bigint;
  /** As it was decided: with what the session had been used for by then. */
  readonly question: Question;
}

/** Has the last word about what decideNow says. */
type Judge = (live: LiveSnapshot, question: Question) => GatewayDecision | Promise<GatewayDecision>;

/** How it is decided again about a request that has waited. */
export interface Again {
  readonly exchange: number;
  readonly judge: Judge;
  /** Of the decision in the recording. */
  readonly attributes: EventAttributes;
  /** No client has sent it in this exchange: it runs in one of its own. */
  readonly asRequest?: boolean;
  /** The recording has it as it was asked, which is not what is sent: that goes with the decision. */
  readonly isNew?: boolean;
}

interface Settling {
  readonly exchange: number;
  readonly judge: Judge;
  /** Makes the first decision durable. */
  readonly record: (
    decision: GatewayDecision,
    about: Pick<ToRecord, "direction" | "exchange" | "method" | "name">,
  ) => Promise<bigint>;
}

/** What is decided about a message of a client, and that it is written down before anything follows from it. */
@Injectable()
export class Authorization {
  private readonly logger = new Logger("gateway");

  constructor(
    private readonly live: LiveState,
    private readonly sessions: SessionsService,
    private readonly recorder: Recorder,
    private readonly failedConditions: FailedConditions,
    private readonly clock: Clock,
  ) {}

  /** Whether the tasks that the request names are the caller's; undefined when it names none. */
  ownsTasks({ session, message }: Incoming<McpRequest>): Promise<boolean | undefined> {
    return this.sessions.ownsTasks(session, message);
  }

  questionOf(incoming: Incoming<Operative>): Question {
    const { session, target, principal, message, ownsTasks, heldTask } = incoming;
    const who = contextOf(principal, clientNameOf(message) ?? session.clientName);
    return {
      target,
      targetId: session.targetId,
      sessionId: session.id,
      agentId: session.agentId,
      context: { ...who, now: this.clock.now() },
      message,
      era: session.era,
      ...(ownsTasks === undefined ? {} : { ownsTasks }),
      ...(heldTask === undefined ? {} : { isHeldTask: true }),
      ...(message.method === "subscriptions/listen"
        ? { listensTo: listenFilter(message, "resourceSubscriptions") }
        : {}),
    };
  }

  /**
   * Learns of a tool that nobody has seen yet, decides, and writes the request and the decision down in one durable
   * statement. That statement tells the authorization epoch of its moment: if it has moved since the decision, what was
   * decided may no longer hold, so it is decided again, until decision and epoch agree (ADR 0002).
   */
  async decideAndRecord(
    incoming: Incoming<Operative>,
    asked: Question,
    exchange: number,
  ): Promise<Authorized> {
    const { session, message, refusal } = incoming;
    if (!refusal) await this.learnTool(session, asked);
    const attributes = message.kind === "request" ? this.whoAsks(asked) : {};
    return this.settle(incoming, asked, {
      exchange,
      judge: (live, question) => (refusal ? wrong(refusal) : decideNow(live, question)),
      record: (decision, about) =>
        this.recordMasked(incoming, { kind: message.kind, ...about, attributes, decision }),
    });
  }

  /** The same about a request that has waited: `asked` anew, with the token that its caller shows now. */
  async decideAgain(incoming: Incoming<McpRequest>, asked: Question, again: Again): Promise<Authorized> {
    const { exchange, attributes, judge, asRequest, isNew } = again;
    await this.learnTool(incoming.session, asked);
    const kind = asRequest ? "request" : "decision";
    const who = asRequest ? this.whoAsks(asked) : {};
    return this.settle(incoming, asked, {
      exchange,
      judge,
      record: (decision, about) => {
        const event = { kind, ...about, attributes: { ...who, ...attributes }, decision } as const;
        return asRequest || isNew
          ? this.recordMasked(incoming, event)
          : this.recordOrRefuse(incoming.session, event);
      },
    });
  }

  /** As far as is known here. */
  async isDenied(question: Question): Promise<boolean> {
    return decideNow(await this.live.known(), question).effect === "deny";
  }

  private async settle(
    incoming: Incoming<Operative>,
    asked: Question,
    { exchange, judge, record }: Settling,
  ): Promise<Authorized> {
    const { session, message } = incoming;
    const { method, name } = message;
    let live = await this.live.known();
    const question = asOf(session, asked);
    let decision = await judge(live, question);
    count(session, message, { from: undefined, to: decision });
    const about = { direction: "client_to_target", exchange, method, name } as const;
    let epoch = await countedWhenRecorded(record(decision, about), incoming, decision);
    // Also what changed after that moment, if it was acted upon here while nobody knew yet what was decided.
    while (epoch > live.epoch || session.changedAt > live.epoch) {
      live = await this.live.atLeast(epoch > session.changedAt ? epoch : session.changedAt);
      const before = decision;
      // Why it is refused tells more than that its session is gone, which may be for the same reason.
      const isDenied = decideNow(live, question).effect === "deny";
      const isHere = (await this.sessions.isStillOpen(session)) || isDenied;
      decision = isHere ? await judge(live, question) : gone();
      count(session, message, { from: before, to: decision });
      const again = this.recordOrRefuse(session, { kind: "decision", ...about, decision });
      epoch = await countedWhenRecorded(again, incoming, decision);
    }
    this.failedConditions.report(decision.failed);
    return { decision, epoch, question };
  }

  /**
   * A tool is judged as it is shown, so one that nobody has seen is asked for first. Where no rule is about its name, or
   * one denies it whatever it is, it is not: how long that takes must not tell whether there is such a tool.
   */
  private async learnTool(session: GatewaySession, question: Question): Promise<void> {
    const { kind, method, name } = question.message;
    if (kind !== "request" || method !== "tools/call" || name === undefined) return;
    const live = await this.live.known();
    if (live.pins.get(session.targetId)?.has(name)) return;
    if (mayDependOnTool(decideNow(live, question))) await this.sessions.listTools(session);
  }

  /** Writes down what the caller is told of a denial. */
  async refusalOf(incoming: Incoming, decision: GatewayDecision, exchange: number): Promise<GatewayError> {
    const refusal = decision.refusal ?? unknownSession();
    await this.recordOrRefuse(incoming.session, {
      kind: "not_sent",
      direction: "target_to_client",
      exchange,
      attributes: { reason: this.recorder.maskedText(decision.reason) },
      payload: this.recorder.maskedBytes(
        refusal.body(incoming.message.kind === "request" ? incoming.message.id : null),
      ),
    });
    return refusal;
  }

  /** Resolves with the epoch of the moment. @throws GatewayError when it could not be recorded */
  async recordMasked(
    { session, message, parameterHeaders = {} }: Incoming,
    event: ToRecord,
  ): Promise<bigint> {
    try {
      const { payload, masked } = await this.recorder.maskedCopy(message);
      const headers = this.recorder.maskedHeaders(parameterHeaders);
      const said = Object.keys(headers).length > 0 ? { parameterHeaders: headers } : {};
      const attributes = { ...event.attributes, masked, ...said };
      return await this.recordOrRefuse(session, { ...event, attributes, payload });
    } catch (error) {
      if (!(error instanceof UnmaskableError)) throw error;
      const said = "the message could not be masked for the recording, so it was not sent";
      throw new GatewayError({ status: 200, code: RpcErrorCode.RecordingUnavailable, message: said });
    }
  }

  /** As `recordMasked`, of what needs no masking. */
  async recordOrRefuse(session: GatewaySession, event: ToRecord): Promise<bigint> {
    try {
      return (await this.recorder.record(session, event)).epoch;
    } catch (error) {
      if (!(error instanceof RecordingUnavailableError)) throw error;
      // The end of the session has told its recording what became of the request; it may have been at another process.
      if (error.reason === "ended") {
        await this.sessions.end(session, "its recording has ended");
        throw unknownSession();
      }
      this.logger.error("a message of a client could not be recorded and was not sent", error.message);
      if (event.exchange) {
        const { exchange, method, name } = event;
        const attributes = { reason: "the request could not be recorded in time and was not sent" };
        this.recorder.owe(session, { kind: "not_sent", exchange, method, name, attributes });
      }
      throw unavailable("the request could not be recorded, so it was not sent; try again in a moment");
    }
  }

  /** For those who want to know later what other policies would have said. */
  private whoAsks({ context: { principal, client } }: Question): EventAttributes {
    const { groups, email } = principal;
    const context = {
      groups: [...groups],
      ...(email === undefined ? {} : { email }),
      client: client.id,
      ...(client.name === undefined ? {} : { clientName: this.recorder.maskedText(client.name) }),
    };
    return { context };
  }
}

/** Nobody need ask policies about it. */
function wrong(refusal: GatewayError): GatewayDecision {
  return { effect: "deny", reason: refusal.message, refusal };
}

/** A condition that could not be decided may have asked for the definition. */
function mayDependOnTool({ effect, policy, rule, requestable, failed = [] }: GatewayDecision): boolean {
  return (
    effect !== "deny" ||
    requestable !== undefined ||
    failed.some((condition) => condition.policy === policy && condition.rule === rule)
  );
}

/** With what the session was used for up to this moment, in which it is decided. */
function asOf({ usage }: GatewaySession, question: Question): Question {
  const { context, message } = question;
  return { ...question, context: { ...context, session: usage.seenBy(message, context.now ?? new Date()) } };
}

/** In the turn of the decision, so that what is decided next sees it. */
function count(
  { usage }: GatewaySession,
  message: Operative,
  { from, to }: { readonly from: GatewayDecision | undefined; readonly to: GatewayDecision | undefined },
): void {
  if (!isByRule(from) && isByRule(to)) usage.count(message);
  if (isByRule(from) && !isByRule(to)) usage.takeBack(message);
}

/** What cannot be recorded is not sent, and so was nothing. */
async function countedWhenRecorded(
  recording: Promise<bigint>,
  { session, message }: Incoming<Operative>,
  decision: GatewayDecision,
): Promise<bigint> {
  try {
    return await recording;
  } catch (error) {
    count(session, message, { from: decision, to: undefined });
    throw error;
  }
}

/** Allowed as an operation, not as part of using the target. */
function isByRule(decision: GatewayDecision | undefined): boolean {
  return decision?.effect === "allow" && decision.rule !== undefined;
}
