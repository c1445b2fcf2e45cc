export { type AccessQuestion, automaticApproval } from "./automatic-approval.js";
export type { AskedAccess } from "./conditions/scope.js";
export { compilePolicies, type CompiledPolicies, type PolicyVersion } from "./compile.js";
export { comparePolicies, type PolicyChange } from "./compare-policies.js";
export { durationMs } from "./durations.js";
export {
  type JitAccess,
  limitsOf,
  parsePolicy,
  PolicyDocument,
  policyJsonSchema,
  type ParsedPolicy,
  type PolicyLimit,
  type PolicyRule,
} from "./document.js";
export type { PolicyProblem } from "./document-problems.js";
export {
  couldBeAllowed,
  couldBeAllowedNow,
  evaluate,
  hasAccess,
  isTargetVisible,
  type JitPolicy,
  jitPolicies,
  policiesFor,
} from "./evaluate.js";
export { type Explanation, explainOperation, type RuleVoice } from "./explain.js";
export { featuresRequired, unenforceable, type Feature, type RequiredFeature } from "./features.js";
export { GOVERNED_METHODS, type GovernedMethod, isVendorMethod } from "./methods.js";
export {
  type AppliedLimit,
  type Context,
  type Decision,
  type Effect,
  type FailedCondition,
  type Grant,
  LIMIT_SCOPES,
  type LimitScope,
  type Operation,
  type Principal,
  type SessionUsage,
  type Target,
  type ToolDefinition,
} from "./operation.js";
export { type PolicySource, readPolicySource, type SourceProblem } from "./policy-source.js";
export {
  type Approver,
  mayReview,
  missingReviewers,
  type Reviewers,
  reviewersInWords,
  reviewInWords,
  type ReviewTerms,
} from "./review.js";
