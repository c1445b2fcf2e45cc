import type { ChangedDecision } from "@drawbridge/contracts";
import { argumentsView, METHODS, parseMessage } from "@drawbridge/mcp";
import {
  type CompiledPolicies,
  type Context,
  type Decision,
  evaluate,
  type Grant,
  jitPolicies,
  type Operation,
  type SessionUsage,
} from "@drawbridge/policy";
import type { EventAttributes, RecordedEvent } from "@drawbridge/recording";
import type { PastDecision, RecordedSession, RecordedStep } from "../recordings/index.js";
import type { Target } from "../targets/index.js";
import type { Pins } from "../tools/index.js";
import { operationFrom } from "./operation-from.js";

type RecordedOperation = Extract<RecordedStep, { kind: "operation" }>;

/**
 * Requests that no rule decides: whoever sees a target may make them. And one that asks about several resources at once,
 * of which the recording does not say which decided.
 */
export const NOT_JUDGED: readonly string[] = [
  ...[...METHODS].filter(([, { governance }]) => governance.as !== "operation").map(([method]) => method),
  "subscriptions/listen",
];

/** What is said of one operation now. `change` is undefined when it is the same as then. */
export interface Judgement {
  readonly uncertain: boolean;
  readonly change: ChangedDecision | undefined;
}

/** What the judge goes by. Targets and tools are those of now: what they were then is not kept. */
export interface Judging {
  readonly policies: CompiledPolicies;
  /** By id. */
  readonly targets: ReadonlyMap<string, Target>;
  readonly pins: Pins;
}

/** Decides recorded operations by other policies, one session after the other. Counts anew what a session has done. */
export class BacktestJudge {
  private usage: RecountedUsage | undefined;

  constructor(private readonly judging: Judging) {}

  /** Undefined when it cannot be judged. Called for every step, in order, also for those before the period. */
  judge(step: RecordedOperation): Judgement | undefined {
    const usage = this.usageOf(step.session);
    const judgement = step.isInPeriod ? this.judgementOf(step, usage) : undefined;
    usage.count(step);
    return judgement;
  }

  countResult(session: RecordedSession, bytes: number): void {
    this.usageOf(session).countResult(bytes);
  }

  private usageOf(session: RecordedSession): RecountedUsage {
    if (this.usage?.session !== session) this.usage = new RecountedUsage(session);
    return this.usage;
  }

  private judgementOf(step: RecordedOperation, usage: RecountedUsage): Judgement | undefined {
    const { session, event, decision } = step;
    const target = this.judging.targets.get(session.targetId);
    const context = contextOf(step, usage.asOf(event.at));
    if (!target || !context) return undefined;
    // A task of somebody else, an ambiguous URI, a tool that has changed: no policy decided that, none changes it.
    if (!isByPolicy(decision)) return { uncertain: false, change: undefined };
    const payload = new RecordedArguments(event);
    const grants = this.grantsOf(step, target, context);
    const now = evaluate(this.judging.policies, this.operationOf(event, target, payload), {
      ...context,
      grants,
    });
    const isUnsure = isMasked(event) && (payload.wasRead || nameIsMasked(event));
    const uncertain = isUnsure || grants.some(({ wasRead }) => wasRead);
    const isSame = now.effect === (wasApproved(decision) ? "require_approval" : decision.effect);
    return { uncertain, change: isSame ? undefined : { ...changeOf(step, now), uncertain } };
  }

  /**
   * Where access was given by a grant, one of every policy that asks for one: whether the same person would have got it
   * from this policy nobody knows. Where there was none there is none now, and a denial says that one would be needed.
   */
  private grantsOf(
    { event, decision }: RecordedOperation,
    target: Target,
    context: Context,
  ): readonly RecordedGrant[] {
    const { grant } = decision;
    if (grant === undefined) return [];
    return jitPolicies(this.judging.policies, target, context).map(
      ({ name }) => new RecordedGrant(grant, name, event.at),
    );
  }

  private operationOf(event: RecordedEvent, target: Target, payload: RecordedArguments): Operation {
    const { method = "", name } = event;
    const tool = method === "tools/call" ? this.judging.pins.get(target.id)?.get(name ?? "") : undefined;
    const parts = { target, method, name, tool: tool?.definition };
    return operationFrom({ ...parts, arguments: () => payload.read() });
  }
}

function changeOf(
  { session, event, decision }: RecordedOperation,
  now: Decision,
): Omit<ChangedDecision, "uncertain"> {
  return {
    at: new Date(event.at).toISOString(),
    session: session.id,
    exchange: event.exchange,
    principal: session.principal,
    target: session.target,
    method: event.method ?? "",
    name: event.name,
    was: wasApproved(decision) ? "allow with approval" : decision.effect,
    wasRule: ruleNamed(decision),
    now: now.effect,
    nowRule: ruleNamed(now),
    reason: now.reason,
  };
}

function ruleNamed({ policy, rule }: Pick<PastDecision, "policy" | "rule"> | Decision): string | undefined {
  return policy === undefined || rule === undefined ? undefined : `${policy}/${rule}`;
}

/** It ran, because somebody approved it. */
function wasApproved({ effect, approval }: PastDecision): boolean {
  return effect === "allow" && approval !== undefined;
}

/** `evaluate` names the rule that denies, or says that there is none. */
function isByPolicy({ effect, rule, reason }: PastDecision): boolean {
  return effect !== "deny" || rule !== undefined || /^no (?:rule|policy) /.test(reason);
}

/** Undefined of events from before it was recorded who asked. */
function contextOf(
  { session, event: { attributes, at } }: RecordedOperation,
  usage: SessionUsage,
): Context | undefined {
  const asked = attributes["context"];
  if (typeof asked !== "object" || asked === null) return undefined;
  const { groups, email, client, clientName } = asked as EventAttributes;
  if (typeof client !== "string" || !isTexts(groups)) return undefined;
  const verified = typeof email === "string" ? { email, emailVerified: true } : {};
  return {
    principal: { id: session.principal, groups, ...verified },
    client: { id: client, ...(typeof clientName === "string" ? { name: clientName } : {}) },
    session: usage,
    now: new Date(at),
  };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** The masked copy of a request: what it says of itself may be less than what was decided about. */
class RecordedArguments {
  wasRead = false;
  private parsed: { readonly value: unknown } | undefined;

  constructor(private readonly event: RecordedEvent) {}

  read(): unknown {
    this.wasRead = true;
    return (this.parsed ??= { value: argumentsOf(this.event.payload) }).value;
  }
}

function argumentsOf(payload: Uint8Array): unknown {
  const message = parseMessage(payload);
  return argumentsView(message);
}

function isMasked({ attributes }: RecordedEvent): boolean {
  const masked = attributes["masked"];
  return typeof masked === "object" && masked !== null && Object.keys(masked).length > 0;
}

function nameIsMasked({ name }: RecordedEvent): boolean {
  return name !== undefined && name.includes("[REDACTED");
}

/** Of which only the id is recorded, and that it was in force. */
class RecordedGrant implements Grant {
  wasRead = false;
  readonly startsAt: Date;
  readonly endsAt: Date;

  constructor(
    readonly id: string,
    readonly policy: string,
    at: number,
  ) {
    this.startsAt = new Date(at);
    this.endsAt = new Date(at + 1);
  }

  get reason(): undefined {
    this.wasRead = true;
    return undefined;
  }

  get ticket(): undefined {
    this.wasRead = true;
    return undefined;
  }

  get breakGlass(): boolean {
    this.wasRead = true;
    return false;
  }
}

/** What a session had been used for by then, as its recording tells. */
class RecountedUsage {
  private calls = 0;
  private resultBytes = 0;
  private readonly byTool = new Map<string, number>();

  constructor(readonly session: RecordedSession) {}

  count({ event, decision }: RecordedOperation): void {
    if (decision.effect !== "allow" || decision.rule === undefined) return;
    this.calls += 1;
    if (event.method !== "tools/call" || event.name === undefined) return;
    this.byTool.set(event.name, (this.byTool.get(event.name) ?? 0) + 1);
  }

  countResult(bytes: number): void {
    this.resultBytes += bytes;
  }

  asOf(at: number): SessionUsage {
    return {
      calls: this.calls,
      callsOf: (tool) => this.byTool.get(tool) ?? 0,
      resultBytes: this.resultBytes,
      ageSeconds: Math.max(0, (at - this.session.openedAt.getTime()) / 1000),
    };
  }
}
