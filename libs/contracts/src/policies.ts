import { z } from "zod";
import { ResourceName, Timestamp } from "./names.js";
import { pageOf } from "./pages.js";
import { ReviewersView } from "./reviews.js";

/** A policy document as written: YAML or JSON text, so that an error can name its line. */
const PolicySource = z.string().min(1).max(262_144);
const Effect = z.enum(["allow", "deny", "require_approval"]);

export const ApplyPolicy = z.strictObject({ source: PolicySource });
export type ApplyPolicy = z.infer<typeof ApplyPolicy>;

export const PolicyView = z.object({
  name: z.string(),
  version: z.number().int(),
  description: z.string().optional(),
  createdBy: z.string(),
  createdAt: Timestamp,
  source: z.string(),
});
export type PolicyView = z.infer<typeof PolicyView>;
export const PolicyPage = pageOf(PolicyView);

/** Part of a policy that is added, removed or another one. */
export const PolicyChange = z.object({
  change: z.enum(["added", "removed", "changed"]),
  path: z.string().meta({ description: "Where: spec.subjects, or spec.rules.NAME" }),
  says: z.string().meta({ description: "One line for people" }),
});
export type PolicyChange = z.infer<typeof PolicyChange>;

/** Somebody who used Drawbridge in the last 30 days and whose access would become another one. */
export const AffectedPrincipal = z.object({
  principal: z.string(),
  email: z.string().optional(),
  client: z.string(),
  target: z.string(),
  gains: z.array(z.string()).meta({
    description:
      "Tools they could call then, * for the target itself; where they could ask for it before: without a grant",
  }),
  loses: z.array(z.string()).meta({
    description:
      "Tools they could not call any more, * for the target; where they could still ask for it: without a grant",
  }),
});
export type AffectedPrincipal = z.infer<typeof AffectedPrincipal>;

/** What applying a document would do. Nothing is changed by asking. */
export const PolicyPlan = z.object({
  name: z.string(),
  outcome: z.enum(["created", "changed", "unchanged"]),
  version: z.number().int().meta({ description: "The live version; 0 when there is none" }),
  source: z.string().optional().meta({ description: "The live document" }),
  changes: z.array(PolicyChange),
  affected: z.array(AffectedPrincipal).meta({ description: "At most 100, those who lose something first" }),
  affectedCount: z.number().int(),
  considered: z
    .number()
    .int()
    .meta({ description: "How many principals of the last 30 days were looked at" }),
  openSessions: z
    .number()
    .int()
    .meta({ description: "Open sessions of affected principals at these targets" }),
});
export type PolicyPlan = z.infer<typeof PolicyPlan>;

/** `changed` is false when the document is the live one already. */
export const PolicyApplied = PolicyView.extend({ changed: z.boolean() });
export type PolicyApplied = z.infer<typeof PolicyApplied>;

export const PolicyVersionNumber = z.coerce.number().int().min(1).max(2_147_483_647);

/** An operation to explain. Who asks is who signed in, unless `principal` says otherwise. */
export const ExplainOperation = z.strictObject({
  target: ResourceName,
  method: z.string().min(1).max(128).default("tools/call"),
  name: z.string().min(1).max(4096).optional(),
  arguments: z.record(z.string(), z.unknown()).optional(),
  principal: z
    .strictObject({
      id: z.string().min(1).max(512),
      email: z.string().max(512).optional(),
      groups: z.array(z.string().max(512)).max(1000).default([]),
    })
    .optional(),
  client: z.string().min(1).max(512).optional(),
  grant: z
    .strictObject({
      tools: z
        .array(z.string().min(1).max(256))
        .min(1)
        .max(100)
        .optional()
        .meta({ description: "Tools, with * and ?; the whole target unless given" }),
      reason: z.string().min(1).max(2000).optional(),
    })
    .optional()
    .meta({
      description: "As if every policy with just-in-time access had granted it; without it, none has",
    }),
  candidates: z
    .array(PolicySource)
    .max(20)
    .optional()
    .meta({ description: "Policy documents to put in place of the live ones of their names" }),
});
export type ExplainOperation = z.infer<typeof ExplainOperation>;

/** What one rule says of an operation. */
export const RuleVoice = z.object({
  policy: z.string(),
  version: z.number().int().meta({ description: "0 for a candidate" }),
  rule: z.string(),
  effect: Effect.meta({ description: "What it comes to: a rule whose condition fails denies" }),
  written: Effect.meta({ description: "What the rule says" }),
  matched: z.boolean().meta({ description: "Its condition holds, or failed, or there is none" }),
  condition: z.enum(["none", "true", "false", "failed"]),
  says: z.string().meta({ description: "Why, in one sentence" }),
  decisive: z.boolean(),
});
export type RuleVoice = z.infer<typeof RuleVoice>;

export const Explanation = z.object({
  effect: Effect,
  reason: z.string(),
  message: z.string().optional(),
  policy: z.string().optional(),
  version: z.number().int().optional(),
  rule: z.string().optional(),
  listed: z.boolean().meta({ description: "Whether lists show it" }),
  tool: z.enum(["accepted", "quarantined", "unknown"]).optional(),
  rules: z.array(RuleVoice).meta({ description: "Every rule for this target, principal, method and name" }),
  facts: z
    .object({
      sql: z.record(z.string(), z.unknown()).optional(),
      shell: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
  limits: z.array(z.string()).optional(),
  review: z
    .object({
      from: z.array(ReviewersView),
      expiresIn: z.string(),
      escalateTo: ReviewersView.optional().meta({ description: "Who is asked when nobody decides in time" }),
    })
    .optional()
    .meta({ description: "Of require_approval: who would be asked" }),
  requestable: z
    .array(z.string())
    .optional()
    .meta({ description: "Of deny: policies with a grant of which it would not be denied" }),
});
export type Explanation = z.infer<typeof Explanation>;

export const BacktestPolicies = z.strictObject({
  candidates: z.array(PolicySource).min(1).max(20),
  from: Timestamp,
  to: Timestamp.optional(),
});
export type BacktestPolicies = z.infer<typeof BacktestPolicies>;

/** A past decision that would have been another one. */
export const ChangedDecision = z.object({
  at: Timestamp,
  session: z.uuid(),
  exchange: z.number().int(),
  principal: z.string(),
  target: z.string(),
  method: z.string(),
  name: z.string().optional(),
  was: z.string().meta({
    description: "allow, deny, require_approval, or allow with approval where somebody approved it",
  }),
  wasRule: z.string().optional(),
  now: Effect,
  nowRule: z.string().optional(),
  reason: z.string(),
  uncertain: z.boolean().meta({
    description:
      "Its arguments are recorded masked, or a condition reads more of its grant than is recorded, so it may have seen something else",
  }),
});
export type ChangedDecision = z.infer<typeof ChangedDecision>;

/** The lines of a backtest, as JSON, one a line: progress as it goes, changes as they are found, one summary or failure last. */
export const BacktestLine = z.discriminatedUnion("line", [
  z.object({ line: z.literal("progress"), done: z.number().int(), total: z.number().int() }),
  z.object({ line: z.literal("changed"), ...ChangedDecision.shape }),
  z.object({
    line: z.literal("summary"),
    operations: z.number().int(),
    changed: z.number().int(),
    uncertain: z.number().int(),
    unreadable: z.number().int().meta({ description: "Operations that could not be read or judged" }),
    counts: z.array(
      z.object({
        principal: z.string(),
        target: z.string(),
        name: z.string().meta({ description: "The tool, or the method" }),
        was: z.string(),
        now: Effect,
        count: z.number().int(),
      }),
    ),
  }),
  z.object({ line: z.literal("failed"), detail: z.string() }),
]);
export type BacktestLine = z.infer<typeof BacktestLine>;
