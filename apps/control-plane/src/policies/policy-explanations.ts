import { Injectable } from "@nestjs/common";
import type { Explanation, ExplainOperation } from "@drawbridge/contracts";
import { isPlainUri, METHODS } from "@drawbridge/mcp";
import {
  type CompiledPolicies,
  compilePolicies,
  type Context,
  couldBeAllowed,
  type Decision,
  durationMs,
  explainOperation,
  type Grant,
  isTargetVisible,
  jitPolicies,
  type Operation,
} from "@drawbridge/policy";
import type { Principal } from "../identity/index.js";
import { Clock } from "../platform/clock.js";
import { DomainError } from "../platform/errors.js";
import type { Target } from "../targets/index.js";
import type { Pin } from "../tools/index.js";
import { readCandidates, withCandidates } from "./candidate-policies.js";
import { ENFORCED_FEATURES } from "./enforced-features.js";
import { limitInWords } from "../limits/index.js";
import { LivePolicies } from "./live-policies.js";
import { LiveSurroundings } from "./live-surroundings.js";
import { operationFrom } from "./operation-from.js";

/** The first operation of a session: what limits and conditions on it count from. */
const NEW_SESSION = { calls: 0, callsOf: () => 0, resultBytes: 0, ageSeconds: 0 };

/** Of what there are lists, and what stands in them. */
const LISTED = new Set(["tools/call", "prompts/get", "resources/read"]);

/** Which rules speak of one operation, and what they say. */
@Injectable()
export class PolicyExplanations {
  constructor(
    private readonly clock: Clock,
    private readonly policies: LivePolicies,
    private readonly live: LiveSurroundings,
  ) {}

  /** @throws DomainError target_not_found, or as applying a candidate does */
  async explain(asking: Principal, asked: ExplainOperation): Promise<Explanation> {
    const candidates = await readCandidates(asked.candidates ?? []);
    const { epoch, targets, pins } = await this.live.now();
    const target = targets.get(asked.target);
    if (!target) throw new DomainError("target_not_found", `there is no target ${asked.target}`);
    const compiled =
      candidates.length === 0
        ? (await this.policies.atLeast(epoch)).value
        : compilePolicies(withCandidates(await this.live.policies(), candidates), ENFORCED_FEATURES);
    const { method, name = "" } = asked;
    const pin = method === "tools/call" ? pins.get(target.id)?.get(name) : undefined;
    const context = { ...whoOf(asking, asked), session: NEW_SESSION, now: this.clock.now() };
    const grants = asked.grant ? assumedGrants(compiled, { asked: asked.grant, target, context }) : [];
    return explanationOf(compiled, { asked, target, pin, context: { ...context, grants } });
  }
}

/** As if everything that could be asked for had been given, now and for as long as it may be. */
function assumedGrants(
  compiled: CompiledPolicies,
  { asked, target, context }: AssumedGrants,
): readonly Grant[] {
  const { now } = context;
  return jitPolicies(compiled, target, context).map(({ name, access }) => ({
    id: "assumed",
    policy: name,
    ...asked,
    breakGlass: false,
    startsAt: now,
    endsAt: new Date(now.getTime() + durationMs(access.maxDuration)),
  }));
}

interface AssumedGrants {
  readonly asked: NonNullable<ExplainOperation["grant"]>;
  readonly target: Target;
  readonly context: Context & { readonly now: Date };
}

interface Asked {
  readonly asked: ExplainOperation;
  readonly target: Target;
  readonly pin: Pin | undefined;
  readonly context: Context;
}

function explanationOf(compiled: CompiledPolicies, asking: Asked): Explanation {
  const { asked, target, context, pin } = asking;
  const { method, name } = asked;
  if (isPartOfUsing(method)) return ofUsing(isTargetVisible(compiled, target, context));
  if (method.startsWith("resources/") && name !== undefined && !isPlainUri(name)) {
    return { effect: "deny", reason: "the URI can be read in more than one way", listed: false, rules: [] };
  }
  const given = asked.arguments;
  const operation = operationFrom({
    target,
    method,
    name,
    tool: pin?.definition,
    ...(given && { arguments: () => given }),
  });
  return ofOperation(compiled, operation, asking);
}

function ofOperation(compiled: CompiledPolicies, operation: Operation, { context, pin }: Asked): Explanation {
  const { decision, rules } = explainOperation(compiled, operation, context);
  // Which conditions failed is said rule by rule.
  const { failed: _failed, grant: _grant, limits, review, requestable, ...decided } = decision;
  const isUsable = LISTED.has(operation.method) && pin?.state !== "quarantined";
  return {
    ...decided,
    listed: isUsable && couldBeAllowed(compiled, operation, context),
    tool: operation.method === "tools/call" ? (pin?.state ?? "unknown") : undefined,
    rules: [...rules],
    facts: factsOf(operation),
    limits: limits?.map((limit) => limitInWords(limit)),
    ...(review && { review: reviewOf(review) }),
    ...(requestable && { requestable: [...requestable] }),
  };
}

function reviewOf({ from, expiresIn, onExpiry }: NonNullable<Decision["review"]>): Explanation["review"] {
  const escalateTo = typeof onExpiry === "object" ? onExpiry.escalateTo : undefined;
  return { from: [...from], expiresIn, ...(escalateTo && { escalateTo }) };
}

/** Lists, and what opens and closes a session: for everybody who sees the target. */
function isPartOfUsing(method: string): boolean {
  const governance = METHODS.get(method)?.governance.as;
  return governance === "lifecycle" || governance === "list";
}

function ofUsing(isVisible: boolean): Explanation {
  return {
    effect: isVisible ? "allow" : "deny",
    reason: isVisible ? "part of using the target" : "no rule makes the target visible",
    listed: false,
    rules: [],
  };
}

/** Who signed in, as with this token; or somebody else, of whom only what is given is known. */
function whoOf(asking: Principal, { principal, client }: ExplainOperation): Context {
  const { id, email, groups } = principal ?? asking;
  return {
    principal: { id, groups, email, emailVerified: email !== undefined },
    client: { id: client ?? (principal ? "" : asking.client) },
  };
}

function factsOf({ sql, shell }: Operation): Explanation["facts"] {
  const [ofSql, ofShell] = [sql?.(), shell?.()];
  if (!ofSql && !ofShell) return undefined;
  return { ...(ofSql && { sql: { ...ofSql } }), ...(ofShell && { shell: { ...ofShell } }) };
}
