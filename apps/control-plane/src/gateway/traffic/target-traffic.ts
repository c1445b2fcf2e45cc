import { MalformedMessageError, type McpMessage, parseMessage, withoutReservedMeta } from "@drawbridge/mcp";
import { ExchangeFailure } from "@drawbridge/protocol";
import type {
  ChunkFromTarget,
  FailedExchange,
  MessageFromTarget,
  SessionLinkListener,
  ToolsFromTarget,
} from "../../agents/index.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import { AnswerDelivery } from "./answer-delivery.js";
import { Answers } from "./answers.js";
import { ChangedAccess } from "./changed-access.js";
import { ClientStreams } from "./client-streams.js";
import { ExchangeEndings } from "./exchange-endings.js";
import { LargeAnswers } from "./large-answers.js";
import { OwnAnswers } from "./own-answers.js";
import { StillAllowed } from "./still-allowed.js";
import { TargetNotifications } from "./target-notifications.js";
import { TargetRequests } from "./target-requests.js";
import type { TrafficDependencies } from "./traffic-dependencies.js";

/**
 * The way back of a call: what the agent has masked is recorded, and only then delivered. Here the frames of the agent
 * come in, those of one session strictly one after the other.
 */
export class TargetTraffic implements SessionLinkListener {
  readonly endings: ExchangeEndings;
  readonly changes: ChangedAccess;
  readonly own: OwnAnswers;
  private readonly answers: Answers;
  private readonly largeAnswers: LargeAnswers;
  private readonly notifications: TargetNotifications;
  private readonly requests: TargetRequests;

  constructor(
    private readonly session: GatewaySession,
    private readonly dependencies: TrafficDependencies,
  ) {
    const access = new StillAllowed(session, dependencies);
    const delivery = new AnswerDelivery(session, dependencies);
    this.endings = new ExchangeEndings(session, dependencies, delivery);
    this.own = new OwnAnswers(session, dependencies, access, delivery);
    this.answers = new Answers(session, dependencies, access, delivery, this.endings);
    this.largeAnswers = new LargeAnswers(session, dependencies, access, delivery, this.endings);
    const streams = new ClientStreams(session, access, this.endings);
    this.notifications = new TargetNotifications(session, dependencies, access, streams);
    this.requests = new TargetRequests(session, dependencies, access, streams);
    this.changes = new ChangedAccess(session, dependencies, streams, this.endings);
  }

  async onMessage(received: MessageFromTarget): Promise<void> {
    const exchange = this.exchangeAtAgent(received.exchange);
    const parsed = parsedOrNot(received.payload);
    if (parsed === undefined) {
      if (exchange) await this.endings.badTarget(exchange, "it is not a JSON-RPC message");
      return;
    }
    const { buffer, byteOffset, byteLength } = parsed.bytes;
    const payload = Buffer.from(buffer, byteOffset, byteLength);
    await this.take(parsed, { ...received, payload }, exchange);
  }

  private async take(parsed: McpMessage, message: MessageFromTarget, exchange: Exchange | undefined) {
    if (parsed.kind === "response") await this.answers.take(parsed, message, exchange);
    else if (exchange && message.final) await this.endings.badTarget(exchange, "it is no response");
    else if (parsed.kind === "request") await this.requests.take(parsed, message, exchange);
    else await this.notifications.take(parsed, message, exchange);
  }

  async onChunk(chunk: ChunkFromTarget): Promise<void> {
    const response = await this.largeAnswers.collect(chunk);
    const exchange = response && this.exchangeAtAgent(response.exchange);
    if (exchange) await this.largeAnswers.take(response, exchange);
  }

  async onExchangeFailed({ exchange: number, failure, message, supportedVersions }: FailedExchange) {
    const exchange = this.exchangeAtAgent(number);
    if (exchange && failure === ExchangeFailure.ERA_NOT_SPOKEN)
      await this.endings.eraNotSpoken(exchange, supportedVersions);
    else if (exchange) await this.endings.failed(exchange, failure, message);
    if (failure === ExchangeFailure.SESSION_GONE)
      await this.dependencies.onEnded(this.session, "the target ended its session");
  }

  async onVersions(versions: readonly string[]): Promise<void> {
    await this.dependencies.onVersions(versions);
  }

  async onTools(listed: ToolsFromTarget): Promise<void> {
    await this.dependencies.onTools(listed);
  }

  async onStderr(text: Buffer): Promise<void> {
    const event = { kind: "stderr", direction: "target_to_client", payload: text } as const;
    await this.dependencies.recorder.tryToRecord(this.session, event);
  }

  async onEnded(reason: string): Promise<void> {
    const event = { kind: "target_ended", attributes: { reason } } as const;
    await this.dependencies.recorder.tryToRecord(this.session, event);
    await this.dependencies.onEnded(this.session, reason);
  }

  /** What is not decided and recorded yet the agent knows nothing of. */
  private exchangeAtAgent(number: number): Exchange | undefined {
    const exchange = this.session.exchange(number);
    return exchange?.sent ? exchange : undefined;
  }
}

/** Without what only we may say in `_meta`: neither clients nor recordings can tell a target's word from ours there. */
function parsedOrNot(payload: Buffer): McpMessage | undefined {
  try {
    const parsed = parseMessage(payload);
    const bytes = withoutReservedMeta(payload);
    return bytes === payload ? parsed : parseMessage(bytes);
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}
