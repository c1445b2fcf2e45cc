import type { GatewayDecision } from "../decisions/decide.js";
import type { EndOfWaiting, HeldExchange } from "../sessions/gateway-session.js";

/** A request of which it is decided that it waits for people, until there is a leg that does: what happens meanwhile counts. */
export class AboutToWait implements HeldExchange {
  over: EndOfWaiting | undefined;

  private constructor(readonly awaits: HeldExchange["awaits"]) {}

  /** Undefined for what does not wait. */
  static of({ effect, requestable }: GatewayDecision): AboutToWait | undefined {
    if (effect === "require_approval") return new AboutToWait("approval");
    return effect === "deny" && requestable ? new AboutToWait("access") : undefined;
  }

  end(reason: EndOfWaiting): void {
    this.over ??= reason;
  }

  /** Nobody can have left yet. */
  returned(): void {}
}
