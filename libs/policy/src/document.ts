import { z } from "zod";

import { adviceFor, MAX_PROBLEMS, type PolicyProblem, problemsOf } from "./document-problems.js";
import {
  DEFAULT_METHODS,
  GOVERNED_METHODS,
  isGovernedMethod,
  isVendorMethod,
  type NameList,
  nameListOf,
} from "./methods.js";
import { LIMIT_SCOPES } from "./operation.js";
import { nearest } from "./conditions/nearest.js";
import type { ReviewTerms } from "./review.js";
import { durationMs } from "./durations.js";
import { automaticProblems, conditionProblems } from "./rule-condition.js";

const Name = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "use 1 to 63 lower-case letters, digits and dashes");
const Glob = z.string().min(1).max(256);
const Identifier = z.string().min(1).max(512);
const DURATION = "write a duration such as 15m, 4h or 7d";
const Duration = z.string(DURATION).regex(/^[1-9][0-9]{0,5}[smhd]$/, DURATION);
const CALL_RATE = "write a rate such as 500/h, 10/s or 1000/d";
const CallRate = z.string(CALL_RATE).regex(/^[1-9][0-9]{0,8}\/[smhd]$/, CALL_RATE);
const BYTE_RATE = "write a rate such as 50MiB/h, with B, KiB, MiB or GiB";
const ByteRate = z.string(BYTE_RATE).regex(/^[1-9][0-9]{0,8}(?:B|KiB|MiB|GiB)\/[smhd]$/, BYTE_RATE);

const Reviewers = z.strictObject({
  group: Identifier.meta({ description: "A group of the identity provider", examples: ["dba"] }),
  count: z.int().min(1).max(20).meta({ description: "How many of them must approve" }),
});

const Approval = z.strictObject({
  from: z.array(Reviewers).min(1).max(16).meta({
    description: "Who approves: so many of each of these groups, 20 people at most; nobody counts twice",
  }),
  expiresIn: Duration.meta({
    description: "How long it waits for them: a call 7d at most, a request for access 90d",
    examples: ["15m"],
  }),
  onExpiry: z
    .union(
      [
        z.literal("deny"),
        z.strictObject({ escalateTo: Reviewers.meta({ description: "Who is asked then" }) }),
      ],
      "write deny, or { escalateTo: { group: leads, count: 1 } }",
    )
    .optional()
    .meta({ description: "What happens when nobody decides in time; deny unless given" }),
});

const Mode = { description: "standing: always; jit: just in time, for a while and for a reason" };

const Access = z.discriminatedUnion("mode", [
  z.strictObject({ mode: z.literal("standing").meta(Mode) }),
  z.strictObject({
    mode: z.literal("jit").meta(Mode),
    activation: z
      .enum(["self", "approval"])
      .meta({ description: "Whether somebody else must agree before it begins" }),
    maxDuration: Duration.meta({
      description: "The longest that one grant lasts, 90d at most",
      examples: ["4h"],
    }),
    reason: z
      .enum(["required", "optional"])
      .optional()
      .meta({ description: "Whether a reason must be given" }),
    review: Approval.optional().meta({ description: "Who agrees, when activation is approval" }),
    automatic: z
      .strictObject({
        when: z
          .string()
          .min(1)
          .max(4096)
          .meta({
            description:
              "A condition in CEL over principal, client, target, request and now (docs/policies.md)",
            examples: ['principal.groups.exists(g, g == "on-call")'],
          }),
      })
      .optional()
      .meta({ description: "When nobody has to be asked; for activation approval" }),
    whenCalled: z.enum(["explain", "request"]).optional().meta({
      description:
        "What a call without a grant does: explain tells the caller how to ask (unless given), request files the request for it and holds the call",
    }),
    breakGlass: z
      .strictObject({
        responders: z
          .strictObject({
            groups: z.array(Identifier).max(1000).optional().meta({ description: "Groups" }),
            users: z
              .array(Identifier)
              .max(1000)
              .optional()
              .meta({ description: "Principals or verified e-mail addresses" }),
          })
          .meta({ description: "Who of the policy's subjects may, in an emergency; any may match" }),
        maxDuration: Duration.meta({
          description: "The longest that it lasts, 90d at most",
          examples: ["1h"],
        }),
      })
      .optional()
      .meta({ description: "Access at once in an emergency: loud, and reviewed afterwards" }),
  }),
]);

const METHODS = Object.keys(GOVERNED_METHODS);

/** Of a method that the protocol does not have: the one that was meant. A rule for it would speak of nothing. */
function meantMethod(method: string): string | undefined {
  const isOther = isGovernedMethod(method) || method.endsWith("/list");
  return isOther ? undefined : nearest(method, METHODS);
}

const Method = z
  .string()
  .refine(
    (method) => isGovernedMethod(method) || isVendorMethod(method) || meantMethod(method) !== undefined,
    {
      error: `use ${METHODS.join(", ")} or a method of the server's own, such as acme/reindex; lists follow from what could be called`,
      abort: true,
    },
  )
  .refine((method) => meantMethod(method) === undefined, {
    error: ({ input }) => `correct the method: is it ${meantMethod(String(input))}?`,
  })
  .meta({
    description:
      "A method of the protocol that is asked about, or one of the server's own, such as acme/reindex",
    examples: METHODS,
  });

const Limit = z.strictObject({
  per: z.enum(LIMIT_SCOPES).optional().meta({
    description:
      "What is counted apart: each principal (unless given), each session, the target (everybody together), or each tool (everybody together)",
  }),
  calls: CallRate.optional().meta({
    description: "Calls in any second, minute, hour or day",
    examples: ["500/h", "10/s"],
  }),
  resultBytes: ByteRate.optional().meta({
    description: "Bytes of results in any second, minute, hour or day",
    examples: ["50MiB/h"],
  }),
  concurrent: z.int().min(1).max(10_000).optional().meta({ description: "Calls at the same time" }),
});

const globs = (description: string, examples: string[]) =>
  z
    .array(Glob)
    .min(1)
    .max(1000)
    .optional()
    .meta({ description, examples: [examples] });

const Rule = z.strictObject({
  name: Name.meta({ description: "Names the rule in decisions and recordings; unique within the policy" }),
  methods: z.array(Method).min(1).max(200).optional().meta({
    description: "What it speaks of; tools/call unless given. Lists follow from what could be called",
  }),
  tools: globs("Tools, with * and ?; every tool unless given", ["get_*", "search"]),
  resources: globs("Resource URIs, with * and ?; every resource unless given", ["file:///srv/*"]),
  prompts: globs("Prompts, with * and ?; every prompt unless given", ["review-*"]),
  when: z
    .string()
    .min(1)
    .max(4096)
    .optional()
    .meta({
      description:
        "A condition in CEL over principal, client, target, operation, args, tool, session, now, sql and shell (docs/policies.md). When it cannot be decided the rule denies",
      examples: ["sql.writes", "args.limit <= 100", 'principal.groups.exists(g, g.startsWith("team-"))'],
    }),
  effect: z
    .enum(["allow", "deny", "require_approval"])
    .meta({ description: "Of all rules that match the strictest decides: deny, require_approval, allow" }),
  message: z
    .string()
    .min(1)
    .max(1000)
    .optional()
    .meta({ description: "What the caller is told when this rule decides" }),
  approval: Approval.optional().meta({ description: "Who is asked, when the effect is require_approval" }),
  mask: z
    .strictObject({
      profile: Name.meta({ description: "Which masking profile results go through", examples: ["default"] }),
      except: z.array(Name).max(100).optional().meta({ description: "Detectors that are left out" }),
    })
    .optional()
    .meta({ description: "How results are masked; with the default profile unless given" }),
  limits: z
    .union(
      [Limit, z.array(Limit).min(1).max(LIMIT_SCOPES.length)],
      "write a limit such as { calls: 500/h }, or a list of 1 to 4 of them",
    )
    .optional()
    .meta({
      description: "One limit, or several that count apart; those of all rules that match hold together",
      examples: [{ calls: "500/h" }, [{ concurrent: 4 }, { per: "tool", calls: "10/s" }]],
    }),
});
type Rule = z.infer<typeof Rule>;

const Subject = Identifier.refine(
  (subject) => subject !== "*",
  "name them one by one: for subjects * is no wildcard, and nobody is called so",
);
const subjects = (description: string) => z.array(Subject).max(1000).optional().meta({ description });

/**
 * The whole policy document. Parts that no released version enforces yet are in it from the start, so that the document
 * never changes shape; `unenforceable` keeps them from being applied. Nothing is filled in: what is stored is what was
 * written.
 */
export const PolicyDocument = z
  .strictObject({
    apiVersion: z.literal("drawbridge/v1").meta({ description: "The version of this shape" }),
    kind: z.literal("Policy").meta({ description: "What this document is" }),
    metadata: z
      .strictObject({
        name: Name.meta({
          description: "Names the policy; applying the same name again makes its next version",
        }),
        description: z.string().max(1000).optional().meta({ description: "For people" }),
      })
      .meta({ description: "What the policy is called" }),
    spec: z
      .strictObject({
        targets: z
          .strictObject({
            names: z
              .array(Glob)
              .min(1)
              .max(1000)
              .optional()
              .meta({ description: "Names of targets, with * and ?; any may match", examples: [["shop"]] }),
            labels: z
              .record(Identifier, z.string().max(512))
              .optional()
              .meta({ description: "Labels that a target must all have", examples: [{ env: "production" }] }),
          })
          .meta({ description: "Which targets: names, labels or both; all that is given must match" }),
        subjects: z
          .strictObject({
            groups: subjects("Groups of the identity provider"),
            users: subjects("Identifiers or verified e-mail addresses of people"),
            clients: subjects("OAuth clients"),
            workloads: subjects("Workload identities"),
          })
          .meta({ description: "Who: any may match; no subject is nobody" }),
        access: Access.optional().meta({
          description: "Whether access is always there; standing unless given",
        }),
        rules: z
          .array(Rule)
          .min(1)
          .max(10_000)
          .meta({ description: "What may be done; what no rule allows is denied" }),
      })
      .meta({ description: "Whom and what the policy is about, and its rules" }),
  })
  .superRefine((policy, context) => {
    for (const { path, message } of meaningProblems(policy.spec))
      context.addIssue({ code: "custom", path: ["spec", ...path], message });
  });
export type PolicyDocument = z.infer<typeof PolicyDocument>;
export type PolicyRule = Rule;
/** How access is given, of a policy with `mode: jit`. */
export type JitAccess = Extract<z.infer<typeof Access>, { mode: "jit" }>;
export type PolicyLimit = z.infer<typeof Limit>;

export type ParsedPolicy =
  | { readonly ok: true; readonly policy: PolicyDocument }
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] };

/** Checks a value read from YAML or JSON. Each problem has the path to what is wrong; of rules, the first are told. */
export function parsePolicy(value: unknown): ParsedPolicy {
  const parsed = PolicyDocument.safeParse(value, { error: adviceFor });
  if (parsed.success) return { ok: true, policy: parsed.data };
  return { ok: false, problems: parsed.error.issues.flatMap((issue) => problemsOf(issue)) };
}

/** The document's JSON Schema, for editors and for the API's documentation. */
export function policyJsonSchema(): Record<string, unknown> {
  return {
    ...z.toJSONSchema(PolicyDocument),
    $id: "urn:drawbridge:schema:policy:v1",
    title: "Drawbridge policy",
    description: "Who may do what with which targets. docs/policies.md is the reference",
    examples: [EXAMPLE],
  };
}

const EXAMPLE = {
  apiVersion: "drawbridge/v1",
  kind: "Policy",
  metadata: { name: "shop-engineering", description: "Engineers read" },
  spec: {
    targets: { names: ["shop"] },
    subjects: { groups: ["engineering"] },
    rules: [
      { name: "no-destruction", tools: ["execute_*"], when: "sql.ddl || sql.deletesAll", effect: "deny" },
      {
        name: "read",
        tools: ["execute_*"],
        when: "sql.readOnly",
        effect: "allow",
        limits: { calls: "500/h", concurrent: 4 },
      },
    ],
  },
};

type Spec = z.infer<typeof PolicyDocument>["spec"];

/** What the shape alone cannot say: parts that contradict each other or that would never have an effect. */
function* meaningProblems({ targets, access, rules }: Spec): Generator<PolicyProblem> {
  if (!targets.names && Object.keys(targets.labels ?? {}).length === 0) {
    yield {
      path: ["targets"],
      message: 'say which targets: give names, labels or both (names: ["*"] is every target)',
    };
  }
  const patterns = new Set<string>();
  if (access?.mode === "jit") {
    yield* within("access", jitProblems(access, patterns));
  }
  yield* rulesProblems(rules, { patterns, isUnderGrant: access?.mode === "jit" });
}

const MAX_ACCESS = "90d";
const MAX_WAIT = "7d";

function* jitProblems(access: JitAccess, patterns: Set<string>): Generator<PolicyProblem> {
  const { maxDuration, review, automatic, breakGlass } = access;
  yield* activationProblems(access);
  yield* tooLong(["maxDuration"], maxDuration, MAX_ACCESS);
  if (review) {
    // As people ask weeks ahead, they may be answered weeks later.
    yield* within("review", reviewProblems(review, MAX_ACCESS));
  }
  if (automatic) {
    for (const message of automaticProblems(automatic.when, patterns)) {
      yield { path: ["automatic", "when"], message };
    }
  }
  if (!breakGlass) return;
  const { groups = [], users = [] } = breakGlass.responders;
  if (groups.length + users.length === 0) {
    yield { path: ["breakGlass", "responders"], message: "say who may: give a group or a user" };
  }
  yield* tooLong(["breakGlass", "maxDuration"], breakGlass.maxDuration, MAX_ACCESS);
}

function* activationProblems({ activation, review, automatic }: JitAccess): Generator<PolicyProblem> {
  if (activation === "approval") {
    if (!review)
      yield { path: ["review"], message: "say who reviews: activation by approval needs a review" };
    return;
  }
  const message = "remove it, or make activation approval: with self nobody is asked";
  if (review) yield { path: ["review"], message };
  if (automatic) yield { path: ["automatic"], message };
}

function* reviewProblems({ from, expiresIn }: ReviewTerms, longest: string): Generator<PolicyProblem> {
  yield* tooLong(["expiresIn"], expiresIn, longest);
  const asked = new Set<string>();
  for (const [index, { group }] of from.entries()) {
    if (asked.has(group)) {
      yield { path: ["from", index, "group"], message: `put them together: ${group} is asked already` };
    }
    asked.add(group);
  }
  const people = from.reduce((sum, { count }) => sum + count, 0);
  if (people > MAX_PEOPLE) {
    const message = `ask fewer: these are ${people} people, each another one, and ${MAX_PEOPLE} are the most`;
    yield { path: ["from"], message };
  }
}

/** For one decision, of all groups together. */
const MAX_PEOPLE = 20;

function* tooLong(path: PolicyProblem["path"], given: string, longest: string): Generator<PolicyProblem> {
  if (durationMs(given) > durationMs(longest)) {
    yield { path, message: `make it shorter: ${longest} is the longest` };
  }
}

function* within(part: string, problems: Iterable<PolicyProblem>): Generator<PolicyProblem> {
  for (const { path, message } of problems) yield { path: [part, ...path], message };
}

/** Different ones; each takes up to a millisecond to be checked. */
const MAX_PATTERNS = 100;

interface OfPolicy {
  /** Collects those of all its conditions. */
  readonly patterns: Set<string>;
  /** It has just-in-time access. */
  readonly isUnderGrant: boolean;
}

function* rulesProblems(rules: readonly Rule[], of: OfPolicy): Generator<PolicyProblem> {
  const seen = new Set<string>();
  const { patterns } = of;
  let found = 0;
  for (const [index, rule] of rules.entries()) {
    // What is wrong costs far more time than what is right.
    if (found > MAX_PROBLEMS) return;
    if (patterns.size > MAX_PATTERNS) {
      const message = `make several policies: this one has more than ${MAX_PATTERNS} patterns`;
      yield { path: ["rules", index, "when"], message };
      return;
    }
    const problems = [...(seen.has(rule.name) ? [nameTaken(rule)] : []), ...ruleProblems(rule, of)];
    seen.add(rule.name);
    found += problems.length;
    for (const { path, message } of problems) yield { path: ["rules", index, ...path], message };
  }
}

function nameTaken({ name }: Rule): PolicyProblem {
  return { path: ["name"], message: `name the rule otherwise: "${name}" is taken in this policy` };
}

function* ruleProblems(rule: Rule, of: OfPolicy): Generator<PolicyProblem> {
  yield* approvalProblems(rule);
  for (const obligation of ["mask", "limits"] as const) {
    if (rule.effect === "deny" && rule[obligation]) {
      yield { path: [obligation], message: "remove it: a rule that denies has no result to speak of" };
    }
  }
  if (rule.when !== undefined) {
    const condition = { when: rule.when, effect: rule.effect, methods: methodsOf(rule), ...of };
    for (const message of conditionProblems(condition)) yield { path: ["when"], message };
  }
  yield* limitProblems(rule);
  yield* nameListProblems(rule);
}

function* approvalProblems({ effect, approval }: Rule): Generator<PolicyProblem> {
  if (effect === "require_approval" && !approval) {
    yield { path: ["approval"], message: "say who approves: require_approval needs an approval" };
  }
  if (effect !== "require_approval" && approval) {
    yield { path: ["approval"], message: "remove it, or make the effect require_approval" };
  }
  if (approval) yield* within("approval", reviewProblems(approval, MAX_WAIT));
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
