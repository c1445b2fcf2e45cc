import { z } from "zod";

import {
  DEFAULT_METHODS,
  GOVERNED_METHODS,
  isGovernedMethod,
  isVendorMethod,
  type NameList,
  nameListOf,
} from "./methods.js";
import { LIMIT_SCOPES } from "./operation.js";
import { conditionProblems } from "./rule-condition.js";

const Name = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "use 1 to 63 lower-case letters, digits and dashes");
const Glob = z.string().min(1).max(256);
const Identifier = z.string().min(1).max(512);
const Duration = z.string().regex(/^[1-9][0-9]{0,5}[smhd]$/, "write a duration such as 15m, 4h or 7d");
const CallRate = z.string().regex(/^[1-9][0-9]{0,8}\/[smhd]$/, "write a rate such as 500/h");
const ByteRate = z
  .string()
  .regex(/^[1-9][0-9]{0,8}(?:B|KiB|MiB|GiB)\/[smhd]$/, "write a rate such as 50MiB/h");

const Reviewers = z.strictObject({ group: Identifier, count: z.int().min(1).max(20) });

const Approval = z.strictObject({
  from: z.array(Reviewers).min(1).max(16),
  expiresIn: Duration,
  onExpiry: z.union([z.literal("deny"), z.strictObject({ escalateTo: Reviewers })]).optional(),
});

const Access = z.discriminatedUnion("mode", [
  z.strictObject({ mode: z.literal("standing") }),
  z.strictObject({
    mode: z.literal("jit"),
    activation: z.enum(["self", "approval"]),
    maxDuration: Duration,
    reason: z.enum(["required", "optional"]).optional(),
    review: Approval.optional(),
  }),
]);

const Method = z
  .string()
  .refine(
    (method) => isGovernedMethod(method) || isVendorMethod(method),
    `use ${Object.keys(GOVERNED_METHODS).join(", ")} or a method of the server's own, such as acme/reindex`,
  )
  .meta({
    description:
      "A method of the protocol that is asked about, or one of the server's own, such as acme/reindex",
    examples: Object.keys(GOVERNED_METHODS),
  });

const Limit = z.strictObject({
  per: z.enum(LIMIT_SCOPES).optional(),
  calls: CallRate.optional(),
  resultBytes: ByteRate.optional(),
  concurrent: z.int().min(1).max(10_000).optional(),
});

const Rule = z.strictObject({
  name: Name,
  methods: z.array(Method).min(1).max(200).optional(),
  tools: z.array(Glob).min(1).max(1000).optional(),
  resources: z.array(Glob).min(1).max(1000).optional(),
  prompts: z.array(Glob).min(1).max(1000).optional(),
  when: z.string().min(1).max(4096).optional(),
  effect: z.enum(["allow", "deny", "require_approval"]),
  message: z.string().min(1).max(1000).optional(),
  approval: Approval.optional(),
  mask: z.strictObject({ profile: Name, except: z.array(Name).max(100).optional() }).optional(),
  limits: z.union([Limit, z.array(Limit).min(1).max(LIMIT_SCOPES.length)]).optional(),
});
type Rule = z.infer<typeof Rule>;

/**
 * The whole policy document. Parts that no released version enforces yet are in it from the start, so that the document
 * never changes shape; `unenforceable` keeps them from being applied. Nothing is filled in: what is stored is what was
 * written.
 */
export const PolicyDocument = z
  .strictObject({
    apiVersion: z.literal("drawbridge/v1"),
    kind: z.literal("Policy"),
    metadata: z.strictObject({ name: Name, description: z.string().max(1000).optional() }),
    spec: z.strictObject({
      targets: z.strictObject({
        names: z.array(Glob).min(1).max(1000).optional(),
        labels: z.record(Identifier, z.string().max(512)).optional(),
      }),
      subjects: z.strictObject({
        groups: z.array(Identifier).max(1000).optional(),
        users: z.array(Identifier).max(1000).optional(),
        clients: z.array(Identifier).max(1000).optional(),
        workloads: z.array(Identifier).max(1000).optional(),
      }),
      access: Access.optional(),
      rules: z.array(Rule).min(1).max(10_000),
    }),
  })
  .superRefine((policy, context) => {
    for (const { path, message } of meaningProblems(policy.spec))
      context.addIssue({ code: "custom", path: ["spec", ...path], message });
  });
export type PolicyDocument = z.infer<typeof PolicyDocument>;
export type PolicyRule = Rule;
export type PolicyLimit = z.infer<typeof Limit>;

export interface PolicyProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export type ParsedPolicy =
  | { readonly ok: true; readonly policy: PolicyDocument }
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] };

/** Checks a value read from YAML or JSON. Every problem is reported, each with the path to what is wrong. */
export function parsePolicy(value: unknown): ParsedPolicy {
  const parsed = PolicyDocument.safeParse(value);
  if (parsed.success) return { ok: true, policy: parsed.data };
  return {
    ok: false,
    problems: parsed.error.issues.flatMap((issue) => problemsOf(issue, [])),
  };
}

/** Of a choice between shapes, what is wrong with the one that was meant: that which got beyond its outermost type. */
function problemsOf(issue: z.core.$ZodIssue, within: readonly PropertyKey[]): PolicyProblem[] {
  const path = [...within, ...issue.path];
  const meant =
    issue.code === "invalid_union"
      ? issue.errors.find((issues) =>
          issues.every((each) => each.path.length > 0 || each.code === "unrecognized_keys"),
        )
      : undefined;
  if (meant) return meant.flatMap((each) => problemsOf(each, path));
  return [
    {
      path: path.map((part) => (typeof part === "number" ? part : String(part))),
      message: issue.message.charAt(0).toLowerCase() + issue.message.slice(1),
    },
  ];
}

/** The document's JSON Schema, for editors and for the API's documentation. */
export function policyJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(PolicyDocument) };
}

type Spec = z.infer<typeof PolicyDocument>["spec"];

/** What the shape alone cannot say: parts that contradict each other or that would never have an effect. */
function* meaningProblems({ targets, access, rules }: Spec): Generator<PolicyProblem> {
  if (!targets.names && Object.keys(targets.labels ?? {}).length === 0) {
    yield {
      path: ["targets"],
      message: 'say which targets: give names, labels or both (names: ["*"] is every target)',
    };
  }
  if (access?.mode === "jit" && access.activation === "approval" && !access.review) {
    yield { path: ["access", "review"], message: "say who reviews: activation by approval needs a review" };
  }
  yield* rulesProblems(rules);
}

function* rulesProblems(rules: readonly Rule[]): Generator<PolicyProblem> {
  const seen = new Set<string>();
  for (const [index, rule] of rules.entries()) {
    const problems = [...(seen.has(rule.name) ? [nameTaken(rule)] : []), ...ruleProblems(rule)];
    seen.add(rule.name);
    for (const { path, message } of problems) yield { path: ["rules", index, ...path], message };
  }
}

function nameTaken({ name }: Rule): PolicyProblem {
  return { path: ["name"], message: `name the rule otherwise: "${name}" is taken in this policy` };
}

function* ruleProblems(rule: Rule): Generator<PolicyProblem> {
  if (rule.effect === "require_approval" && !rule.approval) {
    yield { path: ["approval"], message: "say who approves: require_approval needs an approval" };
  }
  if (rule.effect !== "require_approval" && rule.approval) {
    yield { path: ["approval"], message: "remove it, or make the effect require_approval" };
  }
  for (const obligation of ["mask", "limits"] as const) {
    if (rule.effect === "deny" && rule[obligation]) {
      yield { path: [obligation], message: "remove it: a rule that denies has no result to speak of" };
    }
  }
  if (rule.when !== undefined) {
    const condition = { when: rule.when, effect: rule.effect, methods: methodsOf(rule) };
    for (const message of conditionProblems(condition)) yield { path: ["when"], message };
  }
  yield* limitProblems(rule);
  yield* nameListProblems(rule);
}

function* limitProblems(rule: Rule): Generator<PolicyProblem> {
  const seen = new Set<string>();
  for (const [index, limit] of limitsOf(rule).entries()) {
    const path = Array.isArray(rule.limits) ? ["limits", index] : ["limits"];
    const per = limit.per ?? "principal";
    if (limit.calls === undefined && limit.resultBytes === undefined && limit.concurrent === undefined) {
      yield { path, message: "say what is limited: give calls, resultBytes or concurrent" };
    }
    if (seen.has(per)) {
      yield { path, message: `put them together: there is a limit per ${per} in this rule already` };
    }
    seen.add(per);
  }
}

/** The limits of a rule, however they are written. */
export function limitsOf({ limits }: PolicyRule): readonly PolicyLimit[] {
  if (limits === undefined) return [];
  return Array.isArray(limits) ? limits : [limits];
}

/** A list nobody reads, or a method left open beside one that is narrowed, is nearly always a mistake. */
function* nameListProblems(rule: Rule): Generator<PolicyProblem> {
  const lists = new Set<NameList>(methodsOf(rule).map(nameListOf));
  const given = (["tools", "resources", "prompts"] as const).filter((list) => rule[list]);
  for (const list of given) {
    if (!lists.has(list)) {
      yield {
        path: [list],
        message: `remove it, or add a method it speaks of to methods (no method of this rule has ${list})`,
      };
    }
  }
  for (const list of lists) {
    if (list !== "none" && given.length > 0 && !rule[list]) {
      yield {
        path: ["methods"],
        message: `add ${list}: ["*"] or move the method to a rule of its own: other names are narrowed, these are not`,
      };
    }
  }
}

/** The methods a rule speaks of. */
export function methodsOf(rule: PolicyRule): readonly string[] {
  return rule.methods ?? DEFAULT_METHODS;
}

/** The names a rule gives for a method; undefined means every name. */
export function namesFor(rule: PolicyRule, method: string): readonly string[] | undefined {
  const list = nameListOf(method);
  return list === "none" ? undefined : rule[list];
}
