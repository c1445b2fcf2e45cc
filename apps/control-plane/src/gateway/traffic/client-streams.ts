import type { McpNotification, McpRequest } from "@drawbridge/mcp";
import type { EventAttributes } from "@drawbridge/recording";
import type { MessageFromTarget } from "../../agents/index.js";
import { type Exchange, type GatewaySession, isSubscription } from "../sessions/gateway-session.js";
import type { ExchangeEndings } from "./exchange-endings.js";
import type { Recorded } from "./recorder.js";
import type { StillAllowed } from "./still-allowed.js";

/** Puts what a target says, and what is no answer, on the one stream where the client hears it. */
export class ClientStreams {
  constructor(
    private readonly session: GatewaySession,
    private readonly access: StillAllowed,
    private readonly endings: ExchangeEndings,
  ) {}

  /** What was recorded, to whoever may still hear it. `on`: on whose stream, and as part of which, it was recorded. */
  async tell(message: Uint8Array, on: Exchange | undefined, recorded: Recorded): Promise<void> {
    if (on?.reply.open) {
      await this.tellCaller(message, on, recorded);
      return;
    }
    // What belongs to no request is for those who listen; to whom, the target has said.
    if (this.session.era === "modern") return;
    // Its client comes back for it, and is read it from the recording then.
    if (on?.reply.resumable) return;
    await this.endStreamOfStranger(recorded.epoch);
    await this.session.tellClient(message, on ? undefined : recorded.index);
  }

  private async tellCaller(message: Uint8Array, on: Exchange, { epoch, index }: Recorded): Promise<void> {
    if (await this.access.mayHear(on, epoch)) await on.reply.push(message, index);
    else if (isSubscription(on)) await this.endings.endSubscription(on, "access ended");
  }

  /** Ends the event stream of somebody who could not open it any more. */
  private async endStreamOfStranger(epoch: bigint): Promise<void> {
    const { listener } = this.session;
    if (listener && !(await this.access.mayListen(listener, epoch))) listener.stream.end();
  }
}

/** Whose stream a message goes to: none where nobody listens and nobody was told how to come back. */
export function streamOf(exchange: Exchange | undefined): Exchange | undefined {
  return exchange?.reply.open || exchange?.reply.resumable ? exchange : undefined;
}

/** What is told on the stream of GET is recorded as part of that; to which exchange it belongs is kept beside it. */
export function aboutTold(
  { masked }: MessageFromTarget,
  exchange: Exchange | undefined,
  on: Exchange | undefined,
): EventAttributes {
  return { masked: { ...masked }, ...(exchange && !on ? { belongsTo: exchange.number } : {}) };
}

/** The event of a message that is no answer. */
export function saidByTarget(message: McpNotification | McpRequest, on: Exchange | undefined) {
  return {
    direction: "target_to_client",
    exchange: on?.number ?? 0,
    method: message.method,
    payload: message.bytes,
  } as const;
}
