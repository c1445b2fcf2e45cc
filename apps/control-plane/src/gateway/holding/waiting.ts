import { setTimeout as sleep } from "node:timers/promises";
import { Inject, Injectable, Logger } from "@nestjs/common";
import { type McpRequest, progressNotification } from "@drawbridge/mcp";
import type { EndLeg } from "../../approvals/index.js";
import { CONFIG, type Config } from "../../config.js";
import type { Exchange } from "../sessions/gateway-session.js";
import type { Incoming } from "../traffic/incoming.js";
import { Recorder } from "../traffic/recorder.js";
import type { Awaited, Watch } from "./awaited.js";
import { deliveryOf } from "./delivery.js";
import { Leg } from "./leg.js";
import { LegTimes } from "./leg-times.js";
import { OpenLegs } from "./open-legs.js";

/** A leg that begins. */
export interface Begin {
  readonly incoming: Incoming<McpRequest>;
  readonly exchange: Exchange;
  readonly awaits: Leg["awaits"];
  /** What it waits for. */
  readonly id: string;
  /** Since when it is waited for. */
  readonly since: Date;
  /** How many legs have waited by requestState, this one included. */
  readonly number: number;
  /** Of the tool as it was accepted when the first leg came. */
  readonly toolDigest: Uint8Array | undefined;
  readonly attend: () => EndLeg;
}

const NOBODY: EndLeg = async () => {};

/** The waiting itself: how long, and that whoever asked for it is told of progress meanwhile. */
@Injectable()
export class Waiting {
  readonly legs = new OpenLegs();
  private readonly logger = new Logger("gateway");

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly times: LegTimes,
    private readonly recorder: Recorder,
  ) {}

  /** Has `work` done by a leg, which is over then, whatever becomes of it. */
  async during<Done>(begin: Begin, work: (leg: Leg) => Promise<Done>): Promise<Done> {
    const { incoming, exchange, number } = begin;
    const { message, session } = incoming;
    const { progressToken, method } = message;
    const clientName = exchange.question.context.client.name ?? undefined;
    const waiter = { era: session.era, method, progressToken, clientName, leg: number };
    const leg = new Leg({
      ...begin,
      delivery: deliveryOf(waiter, this.config, this.times),
      beforeTokenExpiresMs: this.times.beforeTokenExpiresMs,
    });
    const before = exchange.held?.over;
    if (before) leg.end(before);
    exchange.held = leg;
    this.legs.add(begin.id, leg);
    try {
      return await work(leg);
    } finally {
      exchange.held = undefined;
      this.legs.remove(begin.id, leg);
      await leg.close();
    }
  }

  /** Tells of progress until it is called back. What is waited for may change meanwhile. */
  progress(leg: Leg, since: Date, awaited: () => Awaited): () => void {
    if (!leg.incoming.message.progressToken) return () => undefined;
    const tell = () => {
      this.tell(leg, since, awaited()).catch((error: unknown) =>
        this.logger.warn("a client could not be told that it waits", String(error)),
      );
    };
    tell();
    const timer = setInterval(tell, this.times.progressEveryMs);
    return () => clearInterval(timer);
  }

  /** Resolves when something has happened: to what is waited for, or to the leg. */
  async next(leg: Leg, awaited: Awaited, watch: Watch): Promise<void> {
    const enough = new AbortController();
    const changed = watch.changed(awaited, enough.signal).then(ignore, async (error: unknown) => {
      if (enough.signal.aborted) return;
      this.logger.warn("how a held call stands could not be asked", String(error));
      await this.moment(enough.signal);
    });
    await Promise.race([leg.over ? undefined : leg.stirs, changed]);
    enough.abort();
  }

  /** Until what did not answer is asked again, or something happens to the leg. */
  async pause(leg: Leg): Promise<void> {
    const enough = new AbortController();
    await Promise.race([leg.over ? undefined : leg.stirs, this.moment(enough.signal)]);
    enough.abort();
  }

  private moment(signal: AbortSignal): Promise<void> {
    return sleep(this.times.lookAgainMs, undefined, { signal }).catch(ignore);
  }

  /**
   * Grows with time, however often the client comes back, and is small: the target's own progress comes after it, and
   * progress has to grow from one to the next.
   */
  private async tell(leg: Leg, since: Date, { said }: Awaited): Promise<void> {
    const { exchange, incoming } = leg;
    const { progressToken } = incoming.message;
    if (!progressToken || !leg.isThere || exchange.sent) return;
    const progress = Math.max(1, Date.now() - since.getTime()) / 15_000_000;
    const message = progressNotification(progressToken, { progress, message: said.toWellFormed() });
    const recorded = await this.recorder.tryToRecord(incoming.session, {
      kind: "notification",
      direction: "target_to_client",
      exchange: exchange.number,
      method: "notifications/progress",
      attributes: { from: "drawbridge", [leg.awaits]: leg.id },
      payload: message,
    });
    // After the last message of a stream there is nothing more to say on it.
    if (recorded && leg.isThere && !exchange.sent) await exchange.reply.push(message, recorded.index);
  }
}

/** Of what needs nobody to be told who waits for it. */
export function unattended(): EndLeg {
  return NOBODY;
}

function ignore(): void {}
