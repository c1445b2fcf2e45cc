import { emailKey, labelKey, subjectKey, type CompiledPolicies, type CompiledPolicy } from "./compile.js";
import type { CompiledRule } from "./compiled-rule.js";
import type { JitAccess } from "./document.js";
import { Evaluation } from "./evaluation.js";
import type { Feature } from "./features.js";
import { hasGrantInForce } from "./grants-in-force.js";
import { type FailedRule, judge, type Judgement } from "./judge.js";
import { type MatchingRules, merged } from "./method-rules.js";
import { isGovernedMethod, isVendorMethod, nameListOf } from "./methods.js";
import type { Context, Decision, Effect, Operation, Target } from "./operation.js";
import type { RulesInForce } from "./remembered-rules.js";

/**
 * Decides one operation. The strictest matching rule wins (deny, require_approval, allow), among equals the first by
 * policy name and place in the policy; what no rule matches is denied. A rule whose condition cannot be decided denies.
 */
export function evaluate(compiled: CompiledPolicies, operation: Operation, context: Context): Decision {
  return decide(compiled, new Evaluation(operation, context));
}

/**
 * For lists: whether some call of this name could be anything but denied, if only under a grant that could be asked for.
 * Decided by the walk of `evaluate` itself, so that what is listed and what can be called never differ; conditions over
 * what only a call has are left open.
 */
export function couldBeAllowed(compiled: CompiledPolicies, operation: Operation, context: Context): boolean {
  if (refusal(operation) !== undefined) return false;
  const evaluation = new Evaluation(operation, context, { isListing: true });
  const inForce = rulesInForce(compiled, evaluation);
  if (!inForce) return false;
  return (
    isPossible(inForce.matching, evaluation) || requestable(compiled, evaluation, inForce.closed).length > 0
  );
}

/** The same with the grants in force alone: whether nobody has to be asked for access first. */
export function couldBeAllowedNow(
  compiled: CompiledPolicies,
  operation: Operation,
  context: Context,
): boolean {
  if (refusal(operation) !== undefined) return false;
  const evaluation = new Evaluation(operation, context, { isListing: true });
  const inForce = rulesInForce(compiled, evaluation);
  return inForce !== undefined && isPossible(inForce.matching, evaluation);
}

function isPossible(matching: MatchingRules, evaluation: Evaluation): boolean {
  const { decidedBy, failed, isOpen } = judge(matching, evaluation);
  if (decidedBy?.effect === "deny" || failed.length > 0) return false;
  return decidedBy !== undefined || isOpen;
}

/** The decision, in an evaluation that can be asked afterwards what became of each condition. */
export function decide(compiled: CompiledPolicies, evaluation: Evaluation): Decision {
  const { operation } = evaluation;
  const refused = refusal(operation);
  if (refused !== undefined) return denied(refused);
  const inForce = rulesInForce(compiled, evaluation);
  if (!inForce) {
    return denied(`no policy gives this principal access to target ${quote(operation.target.name)}`);
  }
  const decision = decisionBy(inForce.matching, evaluation);
  if (decision.effect !== "deny") return decision;
  return orRequestable(decision, requestable(compiled, evaluation, inForce.closed));
}

function decisionBy(matching: MatchingRules, evaluation: Evaluation): Decision {
  const judgement = judge(matching, evaluation);
  const [failure] = judgement.failed;
  if (judgement.decidedBy && (judgement.decidedBy.effect === "deny" || !failure)) {
    return decisionOf(judgement.decidedBy, judgement, evaluation);
  }
  if (failure) return failedDecision(failure, judgement, evaluation);
  return denied(`no rule allows ${describe(evaluation.operation)}`);
}

/** Each is tried by itself, and all of them within the bounds of one decision. */
const MAX_TRIED = 16;

/** Of the policies that no grant opens those with which it would not be denied, if there were a grant of one of them. */
function requestable(
  compiled: CompiledPolicies,
  evaluation: Evaluation,
  closed: readonly string[],
): readonly string[] {
  if (closed.length === 0) return closed;
  evaluation.renewMeter();
  return closed.slice(0, MAX_TRIED).filter((policy) => {
    const granted = evaluation.assuming(policy);
    const inForce = rulesInForce(compiled, granted);
    return inForce !== undefined && isPossible(inForce.matching, granted);
  });
}

function orRequestable(decision: Decision, policies: readonly string[]): Decision {
  if (policies.length === 0) return decision;
  const reason =
    decision.rule === undefined
      ? `${decision.reason} without a grant of policy ${policies.map((policy) => `"${policy}"`).join(" or ")}`
      : decision.reason;
  return { ...decision, reason, requestable: policies };
}

/** Why no rule is asked; undefined when they are. */
export function refusal({ method, name }: Operation): string | undefined {
  if (!isGovernedMethod(method) && !isVendorMethod(method)) {
    return `no rule can allow the method ${quote(method)}`;
  }
  if (nameListOf(method) !== "none" && name === undefined) return `the ${method} request names nothing`;
  return undefined;
}

/** The policies for this target and principal, in order of position; empty when there are none. */
export function policiesInForce(
  compiled: CompiledPolicies,
  { operation: { target }, context }: Evaluation,
): readonly CompiledPolicy[] {
  const selected = new Set<CompiledPolicy>();
  forEachSelected(compiled, { target, context }, (policy) => selected.add(policy));
  return [...selected].sort((a, b) => a.position - b.position);
}

/** The rules of all policies that are selected, as far as grants open them; undefined when none is selected. */
function rulesInForce(compiled: CompiledPolicies, evaluation: Evaluation): RulesInForce | undefined {
  const key = keyOf(evaluation, compiled.hasJit);
  const known = key === undefined ? undefined : compiled.remembered.get(key);
  if (known) return known;
  const { method, name } = evaluation.operation;
  const policies = policiesInForce(compiled, evaluation);
  if (policies.length === 0) return undefined;
  const matching = merged(
    policies.map((policy) => openedRules(policy, evaluation).get(method)?.matching(name) ?? NOTHING_MATCHES),
  );
  const closed = compiled.hasJit ? closedPolicies(policies, evaluation) : NO_POLICIES;
  const inForce = { matching, closed };
  if (key !== undefined) compiled.remembered.set(key, inForce);
  return inForce;
}

const NO_POLICIES: readonly string[] = [];

function openedRules(policy: CompiledPolicy, evaluation: Evaluation): CompiledPolicy["methods"] {
  return isClosed(policy, evaluation) && policy.jit ? policy.jit.denials : policy.methods;
}

function closedPolicies(policies: readonly CompiledPolicy[], evaluation: Evaluation): readonly string[] {
  const { method } = evaluation.operation;
  return policies
    .filter((policy) => policy.methods.has(method) && isClosed(policy, evaluation))
    .map(({ name }) => name);
}

/** Whether the rules of the policy, but for those that deny, match nothing because there is no grant. */
export function isClosed({ jit, name }: CompiledPolicy, evaluation: Evaluation): boolean {
  return jit !== undefined && !evaluation.opens(name);
}

const MAX_KEY = 2_048;

/** All that the rules which speak of an operation depend on; undefined when it is too much to be remembered. */
function keyOf(evaluation: Evaluation, hasJit: boolean): string | undefined {
  const { operation, context } = evaluation;
  const { target, method, name } = operation;
  if ((name?.length ?? 0) + context.principal.groups.length * 16 > MAX_KEY) return undefined;
  const parts: unknown[] = [target.name, target.labels, method, name ?? null, subjectKeys(context)];
  if (hasJit) parts.push(evaluation.opened);
  const key = JSON.stringify(parts);
  return key.length > MAX_KEY ? undefined : key;
}

const NOTHING_MATCHES: MatchingRules = {
  unconditional: undefined,
  limited: [],
  denying: [],
  otherConditional: [],
};

/**
 * Whether the principal may know that the target exists: some policy for both has a rule that does more than deny, if
 * only under a grant that could be asked for.
 */
export function isTargetVisible(compiled: CompiledPolicies, target: Target, context: Context): boolean {
  let visible = false;
  forEachSelected(compiled, { target, context }, (policy) => {
    visible ||= policy.hasRuleThatDoesNotDeny;
  });
  return visible;
}

/** Whether such a rule matches now: access is standing, or there is a grant. */
export function hasAccess(compiled: CompiledPolicies, target: Target, context: Context): boolean {
  let has = false;
  forEachSelected(compiled, { target, context }, (policy) => {
    has ||= policy.hasRuleThatDoesNotDeny && (!policy.jit || hasGrantInForce(policy.name, context));
  });
  return has;
}

/** A policy that gives access to who asks for it. */
export interface JitPolicy {
  readonly name: string;
  readonly version: number;
  readonly access: JitAccess;
}

/** The policies with just-in-time access for this target and this principal, by name; those that only deny give none. */
export function jitPolicies(
  compiled: CompiledPolicies,
  target: Target,
  context: Context,
): readonly JitPolicy[] {
  if (!compiled.hasJit) return [];
  const found = new Map<string, JitPolicy>();
  forEachSelected(compiled, { target, context }, ({ name, version, jit, hasRuleThatDoesNotDeny }) => {
    if (jit && hasRuleThatDoesNotDeny) found.set(name, { name, version, access: jit.access });
  });
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The policies, and their versions, for this target and this principal. While they, the target and the tools stay the same,
 * so does what `couldBeAllowed` shows; decisions about calls also depend on the call, its session and the time.
 */
export function policiesFor(compiled: CompiledPolicies, target: Target, context: Context): string[] {
  const selected = new Set<string>();
  forEachSelected(compiled, { target, context }, ({ name, version }) => selected.add(`${name}@${version}`));
  return [...selected].sort();
}

interface Selection {
  readonly target: Target;
  readonly context: Context;
}

/** Calls `visit` for each policy for this target and these subjects; a policy may be visited twice, which changes nothing. */
function forEachSelected(
  compiled: CompiledPolicies,
  selection: Selection,
  visit: (policy: CompiledPolicy) => void,
): void {
  const { target, context } = selection;
  const subjects = subjectKeys(context);
  for (const policy of candidates(compiled, target, subjects)) {
    if (selectsTarget(policy, target) && subjects.some((subject) => policy.subjects.has(subject)))
      visit(policy);
  }
}

/** Policies that may select the target, or those that may select the subjects: whichever are fewer. */
function candidates(
  compiled: CompiledPolicies,
  target: Target,
  subjects: readonly string[],
): CompiledPolicy[] {
  const forTarget: CompiledPolicy[] = [];
  compiled.byTargetName.forEachMatch(target.name, (policy) => forTarget.push(policy));
  for (const [key, value] of Object.entries(target.labels)) {
    for (const policy of compiled.byLabel.get(labelKey(key, value)) ?? []) forTarget.push(policy);
  }
  const lists = subjects.map((subject) => compiled.bySubject.get(subject) ?? []);
  const forSubjects = lists.reduce((sum, list) => sum + list.length, 0);
  return forSubjects < forTarget.length ? lists.flat() : forTarget;
}

function selectsTarget(policy: CompiledPolicy, target: Target): boolean {
  for (const [key, value] of policy.labels) {
    if (!Object.hasOwn(target.labels, key) || target.labels[key] !== value) return false;
  }
  if (!policy.names) return policy.labels.length > 0;
  let named = false;
  policy.names.forEachMatch(target.name, () => {
    named = true;
  });
  return named;
}

function subjectKeys({ principal, client, workload }: Context): string[] {
  const keys = principal.groups.map((group) => subjectKey("group", group));
  keys.push(subjectKey("user", principal.id), subjectKey("client", client.id));
  if (principal.email !== undefined && principal.emailVerified === true) keys.push(emailKey(principal.email));
  if (workload) keys.push(subjectKey("workload", workload.id));
  return keys;
}

function decisionOf(rule: CompiledRule, judgement: Judgement, evaluation: Evaluation): Decision {
  const limits = rule.effect === "deny" ? [] : judgement.limited.flatMap(({ limits: each }) => each);
  return {
    effect: rule.effect,
    policy: rule.policy,
    version: rule.version,
    rule: rule.name,
    reason: reasonOf(rule, evaluation.operation),
    ...(rule.message !== undefined && { message: rule.message }),
    ...(limits.length > 0 && { limits }),
    ...(rule.effect === "require_approval" && rule.review && { review: rule.review }),
    ...(rule.isUnderGrant && grantOf(rule, evaluation)),
    ...failedOf(judgement),
  };
}

function grantOf(rule: CompiledRule, evaluation: Evaluation): Pick<Decision, "grant"> {
  const grant = evaluation.grantFor(rule);
  return grant && grant !== "assumed" ? { grant } : {};
}

function failedDecision(
  { rule, problem }: FailedRule,
  judgement: Judgement,
  evaluation: Evaluation,
): Decision {
  const reason = `rule "${rule.name}" of policy "${rule.policy}" could not be decided: ${problem}; so it denies ${describe(evaluation.operation)}`;
  return {
    effect: "deny",
    policy: rule.policy,
    version: rule.version,
    rule: rule.name,
    reason,
    ...(rule.isUnderGrant && grantOf(rule, evaluation)),
    ...failedOf(judgement),
  };
}

function failedOf({ failed }: Judgement): Pick<Decision, "failed"> {
  if (failed.length === 0) return {};
  return {
    failed: failed.map(({ rule, problem }) => ({
      policy: rule.policy,
      version: rule.version,
      rule: rule.name,
      problem,
    })),
  };
}

const VERB = {
  allow: "allows",
  deny: "denies",
  require_approval: "asks for approval of",
} as const satisfies Record<Effect, string>;

const FEATURE_WORDS = {
  condition: "has a condition",
  approval: "asks for approval",
  jit: "gives just-in-time access",
  limits: "has limits",
  mask_profile: "has a masking profile of its own",
} as const satisfies Record<Feature, string>;

export function reasonOf(rule: CompiledRule, operation: Operation): string {
  const by = `rule "${rule.name}" of policy "${rule.policy}"`;
  if (!rule.unenforceable) return `${by} ${VERB[rule.effect]} ${describe(operation)}`;
  return `${by} ${FEATURE_WORDS[rule.unenforceable]}, which this system does not enforce yet, so it denies ${describe(operation)}`;
}

function describe({ target, method, name }: Operation): string {
  const what = name === undefined ? method : `${method} of ${quote(name)}`;
  return `${what} on target ${quote(target.name)}`;
}

/** Names come from outside: bounded, and without characters that could break a line of a log or a terminal. */
function quote(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}

function denied(reason: string): Decision {
  return { effect: "deny", reason };
}
