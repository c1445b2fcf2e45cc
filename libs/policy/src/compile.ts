import { methodsOf, namesFor, type PolicyDocument, type PolicyRule } from "./document.js";
import { needsGrant, ruleFeatures, type Feature } from "./features.js";
import { append, NameIndex } from "./name-index.js";
import type { Effect } from "./operation.js";

export interface PolicyVersion {
  readonly name: string;
  readonly version: number;
  readonly document: PolicyDocument;
}

export interface CompiledRule {
  readonly policy: string;
  readonly version: number;
  readonly name: string;
  readonly effect: Effect;
  /** Set when the rule asks for something nobody here enforces; its effect is then deny, whatever it says. */
  readonly unenforceable?: Feature;
  readonly message?: string;
  /** Position among all rules by policy name, then by place in the policy: decides between equals. */
  readonly position: number;
}

/** The rules of one method, found by name. */
export interface MethodRules {
  /** Of the rules that speak of every name only the decisive one: the others can never win. */
  readonly everyName: CompiledRule | undefined;
  readonly byName: Pick<NameIndex<CompiledRule>, "forEachMatch">;
}

export interface CompiledPolicy {
  readonly labels: readonly (readonly [key: string, value: string])[];
  readonly names: Pick<NameIndex<true>, "forEachMatch"> | undefined;
  readonly subjects: ReadonlySet<string>;
  readonly methods: ReadonlyMap<string, MethodRules>;
  readonly hasRuleThatDoesNotDeny: boolean;
}

/** Policies ready to be evaluated. Never changes: a new version of a policy means compiling again. */
export interface CompiledPolicies {
  readonly policyCount: number;
  readonly ruleCount: number;
  /** Prefilters only: what they find is still checked. A policy is under its names, or else under its first label. */
  readonly byTargetName: Pick<NameIndex<CompiledPolicy>, "forEachMatch">;
  readonly byLabel: ReadonlyMap<string, readonly CompiledPolicy[]>;
  readonly bySubject: ReadonlyMap<string, readonly CompiledPolicy[]>;
}

/** What `evaluate` knows how to enforce or to ask for. Conditions, grants, limits and profiles are not among it. */
const EVALUATED: ReadonlySet<Feature> = new Set(["approval"]);
const NOTHING: ReadonlySet<Feature> = new Set();

/**
 * Builds the indexes. `available` says what the running system enforces; a rule that needs more denies everything it
 * matches, so that a policy applied by mistake is too strict, never too lax. Throws when a policy is given twice.
 */
export function compilePolicies(
  versions: readonly PolicyVersion[],
  available: ReadonlySet<Feature> = NOTHING,
): CompiledPolicies {
  const byTargetName = new NameIndex<CompiledPolicy>();
  const byLabel = new Map<string, CompiledPolicy[]>();
  const bySubject = new Map<string, CompiledPolicy[]>();
  let position = 0;
  for (const version of inNameOrder(versions)) {
    const { targets } = version.document.spec;
    const policy = compilePolicy(version, { available, position });
    position += version.document.spec.rules.length;
    const [firstLabel] = policy.labels;
    if (targets.names) for (const name of targets.names) byTargetName.add(name, policy);
    else if (firstLabel) append(byLabel, labelKey(...firstLabel), policy);
    for (const subject of policy.subjects) append(bySubject, subject, policy);
  }
  return Object.freeze({
    policyCount: versions.length,
    ruleCount: position,
    byTargetName,
    byLabel,
    bySubject,
  });
}

export function labelKey(key: string, value: string): string {
  return JSON.stringify([key, value]);
}

const STRICTNESS = { deny: 2, require_approval: 1, allow: 0 } as const satisfies Record<Effect, number>;

/** Which of two matching rules decides: the stricter, among equals the one that stands first. */
export function decisive(rule: CompiledRule | undefined, other: CompiledRule): CompiledRule {
  if (!rule) return other;
  const difference = STRICTNESS[other.effect] - STRICTNESS[rule.effect];
  return difference > 0 || (difference === 0 && other.position < rule.position) ? other : rule;
}

/** How a subject is written in the index: the kind, so that a group cannot pass for a user, and the identifier. */
export function subjectKey(kind: "group" | "user" | "client" | "workload", id: string): string {
  return `${kind}:${id}`;
}

/** E-mail addresses are compared without case; identifiers are not. */
export function emailKey(email: string): string {
  return `email:${email.toLowerCase()}`;
}

function inNameOrder(versions: readonly PolicyVersion[]): PolicyVersion[] {
  const sorted = [...versions].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const [index, { name }] of sorted.entries()) {
    if (sorted[index + 1]?.name === name)
      throw new Error(`policy "${name}" is given twice: compile one version of it`);
  }
  return sorted;
}

interface CompileOptions {
  readonly available: ReadonlySet<Feature>;
  readonly position: number;
}

function compilePolicy(version: PolicyVersion, { available, position }: CompileOptions): CompiledPolicy {
  const { spec } = version.document;
  const everyName = new Map<string, CompiledRule>();
  const byName = new Map<string, NameIndex<CompiledRule>>();
  let hasRuleThatDoesNotDeny = false;
  for (const [index, rule] of spec.rules.entries()) {
    const compiled = compileRule(rule, { version, available, position: position + index });
    hasRuleThatDoesNotDeny ||= compiled.effect !== "deny";
    for (const method of new Set(methodsOf(rule))) {
      const names = namesFor(rule, method);
      if (!names) everyName.set(method, decisive(everyName.get(method), compiled));
      else for (const name of names) nameIndexOf(byName, method).add(name, compiled);
    }
  }
  const methods = new Map<string, MethodRules>();
  for (const method of new Set([...everyName.keys(), ...byName.keys()])) {
    methods.set(method, { everyName: everyName.get(method), byName: nameIndexOf(byName, method) });
  }
  return Object.freeze({
    labels: Object.entries(spec.targets.labels ?? {}),
    names: spec.targets.names && targetNames(spec.targets.names),
    subjects: subjectsOf(spec.subjects),
    methods,
    hasRuleThatDoesNotDeny,
  });
}

interface RuleOptions extends CompileOptions {
  readonly version: PolicyVersion;
}

function compileRule(rule: PolicyRule, { version, available, position }: RuleOptions): CompiledRule {
  const needed = ruleFeatures(rule).map(({ feature }) => feature);
  if (needsGrant(version.document)) needed.push("jit");
  const unenforceable = needed.find((feature) => !available.has(feature) || !EVALUATED.has(feature));
  return Object.freeze({
    policy: version.name,
    version: version.version,
    name: rule.name,
    effect: unenforceable ? "deny" : rule.effect,
    ...(unenforceable && { unenforceable }),
    ...(rule.message !== undefined && { message: rule.message }),
    position,
  });
}

function nameIndexOf(indexes: Map<string, NameIndex<CompiledRule>>, method: string): NameIndex<CompiledRule> {
  const index = indexes.get(method) ?? new NameIndex<CompiledRule>();
  indexes.set(method, index);
  return index;
}

function targetNames(names: readonly string[]): NameIndex<true> {
  const index = new NameIndex<true>();
  for (const name of names) index.add(name, true);
  return index;
}

function subjectsOf(subjects: PolicyDocument["spec"]["subjects"]): ReadonlySet<string> {
  return new Set([
    ...(subjects.groups ?? []).map((id) => subjectKey("group", id)),
    ...(subjects.users ?? []).flatMap((id) => [subjectKey("user", id), emailKey(id)]),
    ...(subjects.clients ?? []).map((id) => subjectKey("client", id)),
    ...(subjects.workloads ?? []).map((id) => subjectKey("workload", id)),
  ]);
}
