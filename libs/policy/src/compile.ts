import type { CompiledRule } from "./compiled-rule.js";
import { lowerAscii } from "./conditions/texts.js";
import { type JitAccess, methodsOf, namesFor, type PolicyDocument, type PolicyRule } from "./document.js";
import { needsGrant, ruleFeatures, type Feature } from "./features.js";
import { MethodRules } from "./method-rules.js";
import { append, NameIndex } from "./name-index.js";
import { appliedLimits } from "./rates.js";
import { RememberedRules } from "./remembered-rules.js";
import { type Condition, ruleCondition } from "./rule-condition.js";

export interface PolicyVersion {
  readonly name: string;
  readonly version: number;
  readonly document: PolicyDocument;
}

export interface CompiledPolicy {
  readonly name: string;
  readonly version: number;
  readonly labels: readonly (readonly [key: string, value: string])[];
  readonly names: Pick<NameIndex<true>, "forEachMatch"> | undefined;
  readonly subjects: ReadonlySet<string>;
  readonly methods: RulesByMethod;
  /** Of a policy with just-in-time access. */
  readonly jit?: {
    readonly access: JitAccess;
    /** What matches without a grant as well: the rules that deny. */
    readonly denials: RulesByMethod;
  };
  /** That of its first rule. */
  readonly position: number;
  readonly hasRuleThatDoesNotDeny: boolean;
}

type RulesByMethod = ReadonlyMap<string, Pick<MethodRules, "matching" | "speaking">>;

/** Policies ready to be evaluated. Never changes: a new version of a policy means compiling again. */
export interface CompiledPolicies {
  readonly policyCount: number;
  readonly ruleCount: number;
  /** Whether some policy has just-in-time access. */
  readonly hasJit: boolean;
  /** Prefilters only: what they find is still checked. A policy is under its names, or else under its first label. */
  readonly byTargetName: Pick<NameIndex<CompiledPolicy>, "forEachMatch">;
  readonly byLabel: ReadonlyMap<string, readonly CompiledPolicy[]>;
  readonly bySubject: ReadonlyMap<string, readonly CompiledPolicy[]>;
  /** Which rules speak of what was asked about lately: the same principals call the same tools all day. */
  readonly remembered: RememberedRules;
}

/** What `evaluate` knows how to judge or to ask for. Profiles are not among it. */
const EVALUATED: ReadonlySet<Feature> = new Set(["condition", "limits", "approval", "jit"]);
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
  let hasJit = false;
  for (const version of inNameOrder(versions)) {
    const { targets } = version.document.spec;
    const policy = compilePolicy(version, { available, position });
    position += version.document.spec.rules.length;
    hasJit ||= policy.jit !== undefined;
    const [firstLabel] = policy.labels;
    if (targets.names) for (const name of targets.names) byTargetName.add(name, policy);
    else if (firstLabel) append(byLabel, labelKey(...firstLabel), policy);
    for (const subject of policy.subjects) append(bySubject, subject, policy);
  }
  return Object.freeze({
    policyCount: versions.length,
    ruleCount: position,
    hasJit,
    byTargetName,
    byLabel,
    bySubject,
    remembered: new RememberedRules(),
  });
}

export function labelKey(key: string, value: string): string {
  return JSON.stringify([key, value]);
}

/** How a subject is written in the index: the kind, so that a group cannot pass for a user, and the identifier. */
export function subjectKey(kind: "group" | "user" | "client" | "workload", id: string): string {
  return `${kind}:${id}`;
}

/** E-mail addresses are compared without the case of A to Z: of other letters several become the same. Identifiers are not. */
export function emailKey(email: string): string {
  return `email:${lowerAscii(email)}`;
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
  const methods = new Map<string, MethodRules>();
  const denials = new Map<string, MethodRules>();
  const access = isEnforced("jit", available) ? jitOf(spec) : undefined;
  let hasRuleThatDoesNotDeny = false;
  for (const [index, rule] of spec.rules.entries()) {
    const compiled = compileRule(rule, { version, available, position: position + index });
    hasRuleThatDoesNotDeny ||= compiled.effect !== "deny";
    for (const method of new Set(methodsOf(rule))) {
      const names = namesFor(rule, method);
      rulesOf(methods, method).add(compiled, names);
      if (access && compiled.effect === "deny") rulesOf(denials, method).add(compiled, names);
    }
  }
  return Object.freeze({
    name: version.name,
    version: version.version,
    labels: Object.entries(spec.targets.labels ?? {}),
    names: spec.targets.names && targetNames(spec.targets.names),
    subjects: subjectsOf(spec.subjects),
    methods,
    ...(access && { jit: { access, denials } }),
    position,
    hasRuleThatDoesNotDeny,
  });
}

function rulesOf(methods: Map<string, MethodRules>, method: string): MethodRules {
  const rules = methods.get(method) ?? new MethodRules();
  methods.set(method, rules);
  return rules;
}

function jitOf({ access }: PolicyDocument["spec"]): JitAccess | undefined {
  return access?.mode === "jit" ? access : undefined;
}

function isEnforced(feature: Feature, available: ReadonlySet<Feature>): boolean {
  return available.has(feature) && EVALUATED.has(feature);
}

interface RuleOptions extends CompileOptions {
  readonly version: PolicyVersion;
}

function compileRule(rule: PolicyRule, { version, available, position }: RuleOptions): CompiledRule {
  const needed = ruleFeatures(rule).map(({ feature }) => feature);
  if (needsGrant(version.document)) needed.push("jit");
  const unenforceable = needed.find((feature) => !isEnforced(feature, available));
  return Object.freeze({
    policy: version.name,
    version: version.version,
    name: rule.name,
    effect: unenforceable ? "deny" : rule.effect,
    written: rule.effect,
    ...(unenforceable && { unenforceable }),
    ...(!unenforceable && rule.when !== undefined && { condition: conditionOf(rule, rule.when) }),
    limits: appliedLimits(version.name, rule),
    ...(rule.message !== undefined && { message: rule.message }),
    ...(needsGrant(version.document) && { isUnderGrant: true as const }),
    ...(!unenforceable && rule.approval && { review: rule.approval }),
    position,
  });
}

/** A document that is compiled again, beside another one that has changed, keeps its conditions: they are most of the work. */
const conditions = new WeakMap<PolicyRule, Condition>();

function conditionOf(rule: PolicyRule, when: string): Condition {
  const condition = conditions.get(rule) ?? ruleCondition(when);
  conditions.set(rule, condition);
  return condition;
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
