import { emailKey, labelKey, subjectKey, type CompiledPolicies, type CompiledPolicy } from "./compile.js";
import type { CompiledRule } from "./compiled-rule.js";
import { Evaluation } from "./evaluation.js";
import type { Feature } from "./features.js";
import { type FailedRule, judge, type Judgement } from "./judge.js";
import { type MatchingRules, merged } from "./method-rules.js";
import { isGovernedMethod, isVendorMethod, nameListOf } from "./methods.js";
import type { Context, Decision, Effect, Operation, Target } from "./operation.js";

/**
 * Decides one operation. The strictest matching rule wins (deny, require_approval, allow), among equals the first by
 * policy name and place in the policy; what no rule matches is denied. A rule whose condition cannot be decided denies.
 */
export function evaluate(compiled: CompiledPolicies, operation: Operation, context: Context): Decision {
  return decide(compiled, new Evaluation(operation, context));
}

/**
 * For lists: whether some call of this name could be anything but denied. Decided by the walk of `evaluate` itself, so
 * that what is listed and what can be called never differ; conditions over what only a call has are left open.
 */
export function couldBeAllowed(compiled: CompiledPolicies, operation: Operation, context: Context): boolean {
  if (refusal(operation) !== undefined) return false;
  const evaluation = new Evaluation(operation, context, { isListing: true });
  const { decidedBy, failed, isOpen } = judge(
    matchingRules(compiled, evaluation) ?? NOTHING_MATCHES,
    evaluation,
  );
  if (decidedBy?.effect === "deny" || failed.length > 0) return false;
  return decidedBy !== undefined || isOpen;
}

/** The decision, in an evaluation that can be asked afterwards what became of each condition. */
export function decide(compiled: CompiledPolicies, evaluation: Evaluation): Decision {
  const { operation } = evaluation;
  const refused = refusal(operation);
  if (refused !== undefined) return denied(refused);
  const matching = matchingRules(compiled, evaluation);
  const judgement = judge(matching ?? NOTHING_MATCHES, evaluation);
  const [failure] = judgement.failed;
  if (judgement.decidedBy && (judgement.decidedBy.effect === "deny" || !failure)) {
    return decisionOf(judgement.decidedBy, judgement, operation);
  }
  if (failure) return failedDecision(failure, judgement, operation);
  if (matching) return denied(`no rule allows ${describe(operation)}`);
  return denied(`no policy gives this principal access to target ${quote(operation.target.name)}`);
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

/** The rules of all policies that are selected; undefined when none is. */
function matchingRules(compiled: CompiledPolicies, evaluation: Evaluation): MatchingRules | undefined {
  const key = keyOf(evaluation);
  const known = key === undefined ? undefined : compiled.remembered.get(key);
  if (known) return known;
  const { method, name } = evaluation.operation;
  const policies = policiesInForce(compiled, evaluation);
  if (policies.length === 0) return undefined;
  const matching = merged(
    policies.map((policy) => policy.methods.get(method)?.matching(name) ?? NOTHING_MATCHES),
  );
  if (key !== undefined) compiled.remembered.set(key, matching);
  return matching;
}

const MAX_KEY = 2_048;

/** All that the rules which speak of an operation depend on; undefined when it is too much to be remembered. */
function keyOf({ operation: { target, method, name }, context }: Evaluation): string | undefined {
  if ((name?.length ?? 0) + context.principal.groups.length * 16 > MAX_KEY) return undefined;
  const key = JSON.stringify([target.name, target.labels, method, name ?? null, subjectKeys(context)]);
  return key.length > MAX_KEY ? undefined : key;
}

const NOTHING_MATCHES: MatchingRules = {
  unconditional: undefined,
  limited: [],
  denying: [],
  otherConditional: [],
};

/** Whether the principal may know that the target exists: some policy for both has a rule that does more than deny. */
export function isTargetVisible(compiled: CompiledPolicies, target: Target, context: Context): boolean {
  let visible = false;
  forEachSelected(compiled, { target, context }, (policy) => {
    visible ||= policy.hasRuleThatDoesNotDeny;
  });
  return visible;
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

function decisionOf(rule: CompiledRule, judgement: Judgement, operation: Operation): Decision {
  const limits = rule.effect === "deny" ? [] : judgement.limited.flatMap(({ limits: each }) => each);
  return {
    effect: rule.effect,
    policy: rule.policy,
    version: rule.version,
    rule: rule.name,
    reason: reasonOf(rule, operation),
    ...(rule.message !== undefined && { message: rule.message }),
    ...(limits.length > 0 && { limits }),
    ...failedOf(judgement),
  };
}

function failedDecision({ rule, problem }: FailedRule, judgement: Judgement, operation: Operation): Decision {
  const reason = `rule "${rule.name}" of policy "${rule.policy}" could not be decided: ${problem}; so it denies ${describe(operation)}`;
  return {
    effect: "deny",
    policy: rule.policy,
    version: rule.version,
    rule: rule.name,
    reason,
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
