import { Logger } from "@nestjs/common";
import { decideNow, type GatewayDecision } from "../decisions/decide.js";
import { maySeeSession } from "../decisions/locked.js";
import type { LiveSnapshot } from "../decisions/live-state.js";
import type { Exchange, GatewaySession, Listener } from "../sessions/gateway-session.js";
import type { TrafficDependencies } from "./traffic-dependencies.js";

/** What runs with an approval goes on while its rule asks for one; what is denied does not. */
export function mayGoOn({ approval }: Exchange, { effect }: GatewayDecision): boolean {
  return effect === "allow" || (effect === "require_approval" && approval !== undefined);
}

/**
 * Whether what is said in a session may still be heard there. With each message that it makes durable the recording
 * tells the authorization epoch of the moment; when that has moved, what was decided before may no longer hold.
 */
export class StillAllowed {
  private readonly logger = new Logger("gateway");

  constructor(
    private readonly session: GatewaySession,
    private readonly dependencies: Pick<TrafficDependencies, "isOpen" | "live" | "onEnded">,
  ) {}

  known(): Promise<LiveSnapshot> {
    return this.dependencies.live.known();
  }

  /** `known` itself, unless something has changed since. */
  async at(epoch: bigint, known: LiveSnapshot): Promise<LiveSnapshot> {
    return epoch > known.epoch ? this.dependencies.live.atLeast(epoch) : known;
  }

  /** Something may have been revoked or changed while the call ran: then what it says is no longer the caller's. */
  async mayHear(exchange: Exchange, epoch: bigint): Promise<boolean> {
    if (epoch <= exchange.epoch) return true;
    const live = await this.dependencies.live.atLeast(epoch);
    if (!(await this.isAllowed(exchange, live))) return false;
    exchange.epoch = live.epoch;
    return true;
  }

  /** The same, where nothing is recorded that would tell the epoch. */
  async mayHearNow(exchange: Exchange): Promise<boolean> {
    return this.isAllowed(exchange, await this.dependencies.live.now());
  }

  /** Whether whoever opened the event stream of the session could still do so. */
  async mayListen(listener: Listener, epoch: bigint): Promise<boolean> {
    if (epoch <= listener.epoch) return true;
    const live = await this.dependencies.live.atLeast(epoch);
    if (!maySeeSession(live, this.session, listener.context) || !(await this.isStillOpen())) return false;
    listener.epoch = live.epoch;
    return true;
  }

  private async isAllowed(exchange: Exchange, live: LiveSnapshot): Promise<boolean> {
    return mayGoOn(exchange, decideNow(live, exchange.question)) && (await this.isStillOpen());
  }

  /** Another control plane may have ended the session: nothing but the epoch tells of it. */
  private async isStillOpen(): Promise<boolean> {
    if (this.session.ended) return false;
    if (await this.dependencies.isOpen(this.session)) return true;
    // Whoever asks is told first that access has ended; the end of the session tells the others.
    setImmediate(() => {
      this.dependencies
        .onEnded(this.session, "ended by an operator")
        .catch((error: unknown) => this.logger.error("a session could not be ended", String(error)));
    });
    return false;
  }
}
