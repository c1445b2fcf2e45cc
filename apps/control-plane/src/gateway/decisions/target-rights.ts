import { type McpNotification, METHODS } from "@drawbridge/mcp";
import { type AppliedLimit, type Decision, evaluate } from "@drawbridge/policy";
import { type GatewayDecision, lockOn, type Question, withGrants } from "./decide.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";
import type { LiveSnapshot } from "./live-state.js";
import { lockedInWords } from "./locked.js";
import { operationNamed } from "./operation-of.js";
import { wantedByTask } from "./wanted-of-client.js";

/** Why a target may not ask something of the client. */
export interface TargetRefusal extends GatewayDecision {
  readonly effect: "deny";
  readonly method: string;
}

/**
 * What the target of a session may ask of its client and tell it: what a rule allows, by the method. A method of no
 * revision passes where a rule names it; one of the revisions where this one has it.
 */
export class TargetRights {
  constructor(private readonly session: GatewaySession) {}

  /** About a request of the target. In the modern era it has none. */
  refusalToRequest(
    method: string,
    exchange: Exchange | undefined,
    live: LiveSnapshot,
  ): TargetRefusal | undefined {
    if (this.session.era === "modern") return denied(method, "this revision has no requests of the target");
    return this.refusalToAsk([method], exchange, live);
  }

  /** About what it asks for, one way or another: the first that is refused. */
  refusalToAsk(
    methods: readonly string[],
    exchange: Exchange | undefined,
    live: LiveSnapshot,
  ): TargetRefusal | undefined {
    for (const method of methods) {
      const refusal = this.refusalOf(method, exchange, live);
      if (refusal) return refusal;
    }
    return undefined;
  }

  /** Why a notification is not passed on. */
  whyDropped(
    notification: McpNotification,
    exchange: Exchange | undefined,
    live: LiveSnapshot,
  ): string | undefined {
    const { method } = notification;
    const known = METHODS.get(method);
    if (!known) return this.denialOf(method, exchange, live)?.reason;
    const inEra = known.era === "both" || known.era === this.session.era;
    if (!inEra || known.direction === "clientToServer" || known.kind !== "notification")
      return "unknown method";
    const wanted = wantedByTask(notification);
    if (wanted === "unreadable") return "what it asks of the client cannot be read";
    return this.refusalToAsk(wanted, exchange, live)?.reason;
  }

  /** What a notification is decided by: its method where the revisions have none like it, else what it asks for. */
  methodsOf(notification: McpNotification): readonly string[] {
    if (!METHODS.has(notification.method)) return [notification.method];
    const wanted = wantedByTask(notification);
    return wanted === "unreadable" ? [] : wanted;
  }

  /** Of the rules that allow the method. */
  limitsOf(method: string, exchange: Exchange | undefined, live: LiveSnapshot): readonly AppliedLimit[] {
    if (METHODS.get(method)?.governance.as === "lifecycle") return [];
    return this.decisionOf(method, exchange, live)?.limits ?? [];
  }

  private refusalOf(
    method: string,
    exchange: Exchange | undefined,
    live: LiveSnapshot,
  ): TargetRefusal | undefined {
    const known = METHODS.get(method);
    if (known && (known.direction === "clientToServer" || known.kind !== "request"))
      return denied(method, "the method is not one to ask a client with");
    if (known?.governance.as === "lifecycle") return undefined;
    return this.denialOf(method, exchange, live);
  }

  /** Whose session it is was verified with the requests it serves; without one nobody's rights are at hand. */
  private questionOf(exchange: Exchange | undefined): Question | undefined {
    return exchange?.question ?? [...this.session.inFlight].at(-1)?.question;
  }

  private decisionOf(
    method: string,
    exchange: Exchange | undefined,
    live: LiveSnapshot,
  ): Decision | undefined {
    const question = this.questionOf(exchange);
    const target = live.targets.get(this.session.target);
    if (!question || !target) return undefined;
    return evaluate(live.policies, operationNamed(target, method), withGrants(live, question));
  }

  private denialOf(
    method: string,
    exchange: Exchange | undefined,
    live: LiveSnapshot,
  ): TargetRefusal | undefined {
    const question = this.questionOf(exchange);
    const decision = this.decisionOf(method, exchange, live);
    if (!question || !decision) return denied(method, "no request of the client is under way");
    const { effect, policy, version, rule, reason } = decision;
    if (effect !== "allow") return { effect: "deny", policy, version, rule, reason, method };
    const lock = lockOn(live, question);
    return lock && denied(method, lockedInWords(lock));
  }
}

function denied(method: string, reason: string): TargetRefusal {
  return { effect: "deny", method, reason };
}
