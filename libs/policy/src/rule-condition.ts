import { checkCondition, type Reads } from "./conditions/check-condition.js";
import { compileCondition } from "./conditions/compile-condition.js";
import type { Scope } from "./conditions/scope.js";
import { Failure } from "./conditions/values.js";
import { AUTOMATIC_VARIABLES, isVariable, variable, VARIABLES_OF_REQUESTS } from "./conditions/variables.js";
import type { Effect } from "./operation.js";

export interface ConditionOfRule {
  readonly when: string;
  readonly effect: Effect;
  readonly methods: readonly string[];
  /** Of a policy with just-in-time access. */
  readonly isUnderGrant: boolean;
  /** Collects the patterns of all conditions. */
  readonly patterns: Set<string>;
}

/** What is wrong with the condition of a rule, each with what to do. */
export function* conditionProblems(rule: ConditionOfRule): Generator<string> {
  const checked = checkCondition(rule.when);
  for (const pattern of checked.patterns) rule.patterns.add(pattern);
  if (!checked.ok) yield checked.problem;
  else yield* readProblems(rule, checked.reads);
}

/** Claims of a target or a client: a rule that allows because of them would be theirs to use. */
const CLAIMS = ["tool.annotations", "client.name"];

const NO_GRANTS =
  "leave grant out, or give the policy access with mode: jit: where access is standing there is no grant";

function* readProblems({ effect, methods, isUnderGrant }: ConditionOfRule, reads: Reads): Generator<string> {
  for (const claim of CLAIMS) {
    if (effect === "allow" && reads.has(claim)) {
      yield `allow by something else: ${claim} is only claimed, so no rule may allow because of it`;
    }
  }
  for (const name of variablesOf(reads)) {
    if (VARIABLES_OF_REQUESTS.includes(name)) {
      yield `read something else: only a condition of access.automatic has ${name}`;
    }
    if (name === "grant" && !isUnderGrant) yield NO_GRANTS;
    yield* methodProblems(name, methods);
  }
}

function* methodProblems(name: string, methods: readonly string[]): Generator<string> {
  const known = isVariable(name) ? variable(name).methods : undefined;
  const without = known && methods.find((method) => !known.includes(method));
  if (without !== undefined) {
    yield `make a rule of its own for ${without}: it never has ${name} (${known?.join(", ")} can have it)`;
  }
}

function variablesOf(reads: Reads): ReadonlySet<string> {
  return new Set([...reads].map((read) => read.split(".")[0] ?? read));
}

/** What is wrong with the condition under which nobody has to be asked for access. Its patterns go into `patterns`. */
export function* automaticProblems(when: string, patterns: Set<string>): Generator<string> {
  const checked = checkCondition(when);
  for (const pattern of checked.patterns) patterns.add(pattern);
  if (checked.ok) yield* automaticReadProblems(checked.reads);
  else yield checked.problem;
}

function* automaticReadProblems(reads: Reads): Generator<string> {
  for (const name of variablesOf(reads)) {
    if (!AUTOMATIC_VARIABLES.includes(name)) {
      yield `read something else than ${name}: there is no operation yet; there are ${AUTOMATIC_VARIABLES.join(", ")}`;
    }
  }
  if (reads.has("client.name")) {
    yield "approve by something else: client.name is only claimed, so no access may be given because of it";
  }
}

/** Whether a condition speaks of the grant; one that cannot be read does not. */
export function readsGrant(when: string): boolean {
  // The names of all variables are written out, so the check is needed only where the word is.
  if (!when.includes("grant")) return false;
  const checked = checkCondition(when);
  return checked.ok && [...checked.reads].some((read) => read.startsWith("grant."));
}

/** Whether it holds, or why that is not known. */
export type Condition = (scope: Scope) => boolean | Failure;

const NOT_VALID = new Failure(
  "its condition is not valid any more: correct the rule and apply the policy again",
);

/** The condition of a rule of a parsed document. One that is not valid fails, whatever it is asked about. */
export function ruleCondition(when: string): Condition {
  const checked = checkCondition(when);
  return checked.ok ? compileCondition(checked.root) : () => NOT_VALID;
}

/** That of access.automatic. One that is not valid, or reads what it may not, fails. */
export function automaticCondition(when: string): Condition {
  const [problem] = automaticProblems(when, new Set());
  return problem === undefined ? ruleCondition(when) : () => NOT_VALID;
}
