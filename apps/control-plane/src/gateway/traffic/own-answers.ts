import type { EventAttributes } from "@drawbridge/recording";
import { RecordingUnavailableError } from "../../recordings/index.js";
import { unavailable, unknownSession } from "../gateway-error.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import type { AnswerDelivery, Last } from "./answer-delivery.js";
import type { Recorder } from "./recorder.js";
import type { StillAllowed } from "./still-allowed.js";

/** What the gateway answers in place of the target. */
export interface OwnAnswer {
  readonly message: Uint8Array;
  readonly attributes?: EventAttributes;
  /** Of an error: its code. */
  readonly code?: number;
  /** Whether it may be heard as of an epoch, where that is not up to the request that is answered. */
  readonly mayHear?: (epoch: bigint) => Promise<boolean>;
}

/** Answers of the gateway itself: recorded and delivered as those of the target are. */
export class OwnAnswers {
  constructor(
    private readonly session: GatewaySession,
    private readonly dependencies: { readonly recorder: Recorder },
    private readonly access: StillAllowed,
    private readonly delivery: AnswerDelivery,
  ) {}

  /**
   * Resolves when it is delivered, or somebody has told another end. @throws GatewayError when it cannot be recorded or the
   * session is over: the request may be made again
   */
  async give(exchange: Exchange, answer: OwnAnswer): Promise<void> {
    const last = await this.delivery.end(exchange, () => this.write(exchange, answer));
    if (last) await this.delivery.deliver(exchange, last);
    // The end of the session has told the recording, and nobody else.
    else if (this.session.ended) throw unknownSession();
  }

  private async write(exchange: Exchange, answer: OwnAnswer): Promise<Last> {
    const { message, attributes, code, mayHear } = answer;
    const { epoch, index } = await this.record(exchange, message, attributes);
    const allowed = await (mayHear?.(epoch) ?? this.access.mayHear(exchange, epoch));
    return allowed ? { message, index, code } : this.delivery.notShown(exchange);
  }

  private async record(exchange: Exchange, payload: Uint8Array, about: EventAttributes = {}) {
    const { number, method, name } = exchange;
    const event = { direction: "target_to_client", exchange: number, method, name } as const;
    const attributes = { ...about, byGateway: true, delivered: exchange.reply.open && !exchange.cancelled };
    try {
      return await this.dependencies.recorder.record(this.session, {
        kind: "response",
        ...event,
        attributes,
        payload,
      });
    } catch (error) {
      if (!(error instanceof RecordingUnavailableError)) throw error;
      const reason = "the answer of the gateway could not be recorded";
      this.dependencies.recorder.owe(this.session, { kind: "not_sent", ...event, attributes: { reason } });
      throw unavailable("the answer could not be recorded; try again in a moment");
    }
  }
}
