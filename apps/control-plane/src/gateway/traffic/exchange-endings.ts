import { Logger } from "@nestjs/common";
import { errorResponse, type JsonRpcId } from "@drawbridge/mcp";
import { ExchangeFailure } from "@drawbridge/protocol";
import type { EventAttributes } from "@drawbridge/recording";
import type { GatewayDecision } from "../decisions/decide.js";
import { legacyNotSpoken, modernNotSpoken } from "../era-refusals.js";
import { type Exchange, type GatewaySession, isSubscription } from "../sessions/gateway-session.js";
import type { AnswerDelivery } from "./answer-delivery.js";
import {
  ACCESS_ENDED,
  ASKS_TOO_MUCH,
  type Failure,
  FAILURES,
  LIMIT_UNKNOWN,
  resultOverLimit,
  unknownOutcome,
} from "./exchange-failures.js";
import type { TrafficDependencies } from "./traffic-dependencies.js";

/** What the caller is told, and where in the recording that is. */
interface Ending {
  readonly message: Uint8Array;
  readonly index: number | undefined;
}

/** Why what waited for people is not sent. */
export interface InVain {
  readonly message: Uint8Array;
  readonly code: number;
  readonly attributes: EventAttributes;
  /** Of what would be denied now. */
  readonly decision?: GatewayDecision | undefined;
}

/** Every way an exchange ends without an answer of the target that the client may hear. */
export class ExchangeEndings {
  private readonly logger = new Logger("gateway");

  constructor(
    private readonly session: GatewaySession,
    private readonly dependencies: Pick<TrafficDependencies, "onEnded" | "recorder">,
    private readonly delivery: AnswerDelivery,
  ) {}

  async failed(exchange: Exchange, failure: ExchangeFailure, detail: string): Promise<void> {
    const { code, kind } = FAILURES[failure];
    const ending = await this.delivery.end(exchange, () =>
      this.recordFailure(exchange, FAILURES[failure], detail),
    );
    if (!ending) return;
    // A stream that breaks off is no end of a subscription, and the client has to see that.
    if (isSubscription(exchange) && kind === "outcome_unknown") {
      this.session.finish(exchange);
      exchange.reply.abandon();
      return;
    }
    if (kind === "not_sent") await exchange.hold?.giveBack();
    await this.delivery.deliver(exchange, { ...ending, code });
  }

  /** Of what was held and is not sent: told in any case. */
  async inVain(exchange: Exchange, { message, code, attributes, decision }: InVain): Promise<void> {
    const { number, method, name } = exchange;
    const ending = await this.delivery.end(exchange, async () => {
      const index = await this.dependencies.recorder.recordOrOwe(this.session, {
        kind: "not_sent",
        direction: "target_to_client",
        exchange: number,
        method,
        name,
        attributes: { failure: code, ...attributes },
        payload: message,
        ...(decision ? { decision } : {}),
      });
      return { message, index };
    });
    if (ending) await this.delivery.deliver(exchange, { ...ending, code });
  }

  /** Of what was not sent and nobody waits for: the recording says why. */
  async unheard(exchange: Exchange, reason: string, attributes: EventAttributes = {}): Promise<void> {
    const { number, method, name } = exchange;
    await this.delivery.end(exchange, () =>
      this.dependencies.recorder.recordOrOwe(this.session, {
        kind: "not_sent",
        exchange: number,
        method,
        name,
        attributes: { reason, ...attributes },
      }),
    );
    this.session.finish(exchange);
  }

  badTarget(exchange: Exchange, detail: string): Promise<void> {
    return this.failed(exchange, ExchangeFailure.BAD_TARGET, detail);
  }

  /** Cuts what would be denied now. Resolves when the agent is told to stop it and the recording says so. */
  async revoke(exchange: Exchange, decision: GatewayDecision): Promise<void> {
    if (await this.delivery.hasEnd(exchange)) return;
    const link = await this.session.link?.catch(() => undefined);
    link?.cancel(exchange.number, "access ended");
    const ending = await this.delivery.end(exchange, () =>
      this.recordFailure(exchange, ACCESS_ENDED, "", decision),
    );
    if (!ending) return;
    // A client that does not read must not keep others from being cut.
    this.delivery
      .deliver(exchange, ending)
      .catch((error: unknown) => this.logger.error("the end of a call could not be told", String(error)));
  }

  /** True when the answer, of so many bytes, is over a limit, or nobody can say: then that is the end of the exchange. */
  async isOverLimit(exchange: Exchange, bytes: number): Promise<boolean> {
    const failure = await this.whyOverLimit(exchange, bytes);
    if (!failure) return false;
    const ending = await this.delivery.end(exchange, () => this.recordFailure(exchange, failure, ""));
    if (ending) await this.delivery.deliver(exchange, ending);
    return true;
  }

  private async whyOverLimit({ hold }: Exchange, bytes: number): Promise<Failure | undefined> {
    try {
      const refusal = await hold?.countResult(bytes);
      return refusal && resultOverLimit(refusal);
    } catch (error) {
      this.logger.error("limits could not be asked", error instanceof Error ? error.message : String(error));
      return LIMIT_UNKNOWN;
    }
  }

  /** `method`: of what the target wants of the client and may not. */
  async asksTooMuch(exchange: Exchange, method: string): Promise<void> {
    const ending = await this.delivery.end(exchange, () =>
      this.recordFailure(exchange, ASKS_TOO_MUCH, method),
    );
    if (ending) await this.delivery.deliver(exchange, ending);
  }

  async eraNotSpoken(exchange: Exchange, versions: readonly string[]): Promise<void> {
    const { era } = this.session;
    const { number, method, name, question } = exchange;
    const refusal =
      era === "modern"
        ? modernNotSpoken(versions)
        : legacyNotSpoken(question.message.protocolVersionClaim?.version, versions);
    const message = refusal.body(exchange.id);
    const ending = await this.delivery.end(exchange, async () => {
      const index = await this.dependencies.recorder.recordOrOwe(this.session, {
        kind: "not_sent",
        direction: "target_to_client",
        exchange: number,
        method,
        name,
        attributes: { reason: refusal.message, failure: refusal.code },
        payload: message,
      });
      return { message, index };
    });
    if (!ending) return;
    await exchange.hold?.giveBack();
    await this.delivery.deliver(exchange, { ...ending, status: refusal.status });
    if (era === "modern" && !this.session.inUse)
      await this.dependencies.onEnded(this.session, "the target does not speak this era");
  }

  /** Everything that may have reached the target ends with an unknown outcome; the rest did not run. */
  async abandon(reason: string): Promise<void> {
    await Promise.all([...this.session.inFlight].map((exchange) => this.giveUp(exchange, reason)));
  }

  private async giveUp(exchange: Exchange, reason: string): Promise<void> {
    if (await this.delivery.hasEnd(exchange)) return;
    await (exchange.sent ? this.cutOff(exchange, reason) : this.neverSent(exchange, reason));
  }

  async endSubscriptions(reason: string): Promise<void> {
    await Promise.all(this.session.listening.map((exchange) => this.endSubscription(exchange, reason)));
  }

  /** Tells whoever listens that nothing more comes (2026-07-28, Subscriptions: the end is a result). */
  async endSubscription(exchange: Exchange, reason: string): Promise<void> {
    if (!this.session.isInFlight(exchange.number)) return;
    this.session.finish(exchange);
    const link = await this.session.link?.catch(() => undefined);
    link?.cancel(exchange.number, reason);
    await this.delivery.deliver(exchange, await this.recordEndOfSubscription(exchange, reason));
  }

  /** A client that does not read must not keep its session from ending: nobody waits for it. */
  private async cutOff(exchange: Exchange, reason: string): Promise<void> {
    const ending = await this.delivery.end(exchange, () =>
      isSubscription(exchange)
        ? this.recordEndOfSubscription(exchange, reason)
        : this.recordFailure(exchange, unknownOutcome(reason), ""),
    );
    if (!ending) return;
    this.delivery
      .deliver(exchange, ending)
      .catch((error: unknown) => this.logger.error("the end of a session could not be told", String(error)));
  }

  /** For the recording; ClientTraffic, which still has the request in hand, refuses it. */
  private async neverSent(exchange: Exchange, reason: string): Promise<void> {
    const { approval } = exchange;
    exchange.held?.end({ why: "ended" });
    await this.unheard(exchange, reason, approval === undefined ? {} : { approval });
  }

  private async recordFailure(
    exchange: Exchange,
    { code, kind, says, data }: Failure,
    detail: string,
    decision?: GatewayDecision,
  ): Promise<Ending> {
    const { id, number, method, name } = exchange;
    const message = errorResponse(id, { code, message: detail ? `${says}: ${detail}` : says, data });
    const index = await this.dependencies.recorder.recordOrOwe(this.session, {
      kind,
      direction: "target_to_client",
      exchange: number,
      method,
      name,
      attributes: { failure: code },
      payload: message,
      ...(decision ? { decision } : {}),
    });
    return { message, index };
  }

  private async recordEndOfSubscription(exchange: Exchange, reason: string): Promise<Ending> {
    const { number, method, id } = exchange;
    const message = endOfSubscription(id);
    const index = await this.dependencies.recorder.recordOrOwe(this.session, {
      kind: "response",
      direction: "target_to_client",
      exchange: number,
      method,
      attributes: { ended: reason, delivered: exchange.reply.open },
      payload: message,
    });
    return { message, index };
  }
}

function endOfSubscription({ text: id }: JsonRpcId): Uint8Array {
  const meta = `"_meta":{"io.modelcontextprotocol/subscriptionId":${id}}`;
  return Buffer.from(`{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete",${meta}}}`);
}
