import { emailKey, labelKey, subjectKey, type CompiledPolicies, type CompiledPolicy } from "./compile.js";
import { decisive, type CompiledRule } from "./compiled-rule.js";
import type { Feature } from "./features.js";
import { isGovernedMethod, isVendorMethod, nameListOf } from "./methods.js";
import type { Context, Decision, Effect, Operation, Target } from "./operation.js";

/**
 * Decides one operation. The strictest matching rule wins (deny, require_approval, allow), among equals the first by
 * policy name and place in the policy; what no rule matches is denied.
 */
export function evaluate(compiled: CompiledPolicies, operation: Operation, context: Context): Decision {
  const { method, name } = operation;
  if (!isGovernedMethod(method) && !isVendorMethod(method)) {
    return denied(`no rule can allow the method ${quote(method)}`);
  }
  if (nameListOf(method) !== "none" && name === undefined)
    return denied(`the ${method} request names nothing`);

  let decidedBy: CompiledRule | undefined;
  let selected = false;
  forEachSelected(compiled, { target: operation.target, context }, (policy) => {
    selected = true;
    const rule = policy.methods.get(method)?.decisiveFor(name);
    if (rule) decidedBy = decisive(decidedBy, rule);
  });

  if (decidedBy) return decisionOf(decidedBy, operation);
  if (selected) return denied(`no rule allows ${describe(operation)}`);
  return denied(`no policy gives this principal access to target ${quote(operation.target.name)}`);
}

/**
 * For lists: whether this name could be used at all. Decided by `evaluate` itself, so that what is listed and what can
 * be called never differ.
 */
export function couldBeAllowed(compiled: CompiledPolicies, operation: Operation, context: Context): boolean {
  return evaluate(compiled, operation, context).effect !== "deny";
}

/** Whether the principal may know that the target exists: some policy for both has a rule that does more than deny. */
export function isTargetVisible(compiled: CompiledPolicies, target: Target, context: Context): boolean {
  let visible = false;
  forEachSelected(compiled, { target, context }, (policy) => {
    visible ||= policy.hasRuleThatDoesNotDeny;
  });
  return visible;
}

/** The policies, and their versions, for this target and this principal: while they stay the same, so do their decisions. */
export function selectedPolicies(compiled: CompiledPolicies, target: Target, context: Context): string[] {
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

function decisionOf(rule: CompiledRule, operation: Operation): Decision {
  const decidedBy = { policy: rule.policy, version: rule.version, rule: rule.name };
  const message = rule.message === undefined ? {} : { message: rule.message };
  return { effect: rule.effect, ...decidedBy, reason: reasonOf(rule, operation), ...message };
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

function reasonOf(rule: CompiledRule, operation: Operation): string {
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
