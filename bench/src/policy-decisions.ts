import { compilePolicies, type Context, evaluate, type Operation, parsePolicy } from "@drawbridge/policy";
import { sample, type Spread } from "./spread.js";

export interface DecisionResult extends Spread {
  readonly rules: number;
  /** Rules that speak of the tool that is called, and how many of these have a condition. */
  readonly matching: number;
  readonly conditional: number;
}

const TOOLS_OF_A_TARGET = 100;
const RULES_OF_A_TOOL = 5;
const RULES_OF_A_POLICY = 100;

/**
 * How long a decision takes as rules grow with tools and targets: each rule speaks of one tool, five of each, on targets of
 * at most 100 tools; every fifth has a condition. Every tool is called in turn, so nothing is warm because it was asked
 * for a moment ago.
 */
export function measureDecisions(sizes: readonly number[], count: number): DecisionResult[] {
  return sizes.map((rules) => measure({ rules, tools: rules / RULES_OF_A_TOOL }, count));
}

/** The same where all rules are about the hundred tools of one target: then more of them speak of each. */
export function measureOneTarget(rules: number, count: number): DecisionResult {
  return measure({ rules, tools: TOOLS_OF_A_TARGET }, count);
}

/** The same where all rules speak of the one tool. */
export function measureOneTool(rules: number, count: number): DecisionResult {
  return measure({ rules, tools: 1 }, count);
}

interface Shape {
  readonly rules: number;
  readonly tools: number;
}

function measure({ rules, tools }: Shape, count: number): DecisionResult {
  const compiled = compilePolicies(policies(rules, tools), new Set(["condition", "limits"]));
  const operations = Array.from({ length: tools }, (_, index) => operation(index));
  const { effect } = evaluate(compiled, operation(0), CONTEXT);
  if (effect !== "allow")
    throw new Error(`the decision with ${rules} rules is ${effect}, which measures less`);
  const spread = sample(count, (index) =>
    evaluate(compiled, operations[index % tools] ?? operation(0), CONTEXT),
  );
  const matching = rules / tools;
  const conditional = matching / RULES_OF_A_TOOL;
  return { rules, matching, conditional, ...spread };
}

const CONTEXT: Context = {
  principal: { id: "alice", groups: ["everyone", "engineering", "on-call"] },
  client: { id: "bench" },
};

function operation(tool: number): Operation {
  return {
    target: { name: targetOf(tool), labels: { env: "production" } },
    method: "tools/call",
    name: toolName(tool),
    arguments: () => ({ limit: 50, table: "orders", filter: { status: "open", tags: ["a", "b"] } }),
  };
}

function targetOf(tool: number): string {
  return `shop-${Math.floor(tool / TOOLS_OF_A_TARGET)}`;
}

function toolName(tool: number): string {
  return `tool_${tool}`;
}

function policies(rules: number, tools: number) {
  return Array.from({ length: Math.ceil(rules / RULES_OF_A_POLICY) }, (_, index) => {
    const first = index * RULES_OF_A_POLICY;
    const length = Math.min(RULES_OF_A_POLICY, rules - first);
    const name = `policy-${index}`;
    const parsed = parsePolicy({
      apiVersion: "drawbridge/v1",
      kind: "Policy",
      metadata: { name },
      spec: {
        targets: { names: targetsOf(first, length, tools) },
        subjects: { groups: ["engineering"] },
        rules: Array.from({ length }, (_each, place) => rule(first + place, tools)),
      },
    });
    if (!parsed.ok)
      throw new Error(`the policies of the bench are wrong: ${JSON.stringify(parsed.problems)}`);
    return { name, version: 1, document: parsed.policy };
  });
}

function targetsOf(first: number, length: number, tools: number): string[] {
  return [...new Set(Array.from({ length }, (_, place) => targetOf((first + place) % tools)))];
}

/** Of each tool every fifth rule is conditional: it denies and does not match, or allows and does. */
function rule(index: number, tools: number) {
  const base = { name: `rule-${index}`, tools: [toolName(index % tools)] };
  const turn = Math.floor(index / tools) + (index % tools);
  if (turn % RULES_OF_A_TOOL !== 0) return { ...base, effect: "allow" };
  const when = `args.limit > ${1_000 + index} || (args.filter.status == "closed" && "interns" in principal.groups)`;
  return turn % 10 === 0
    ? { ...base, effect: "deny", when }
    : { ...base, effect: "allow", when: `!(${when})` };
}
