export { ERROR_STATUS, Problem, ProblemDetail, type ErrorCode } from "./errors.js";
export { PageQuery, pageOf, type Page } from "./pages.js";
export { ResourceName } from "./names.js";
export {
  AgentPage,
  AgentView,
  CreateJoinToken,
  JoinTokenCreated,
  JoinTokenPage,
  JoinTokenView,
} from "./agents.js";
export {
  TargetDocument,
  TargetPage,
  TargetTransport,
  TargetView,
  VisibleTarget,
  VisibleTargets,
} from "./targets.js";
export {
  AffectedPrincipal,
  ApplyPolicy,
  BacktestLine,
  BacktestPolicies,
  ChangedDecision,
  ExplainOperation,
  Explanation,
  PolicyApplied,
  PolicyChange,
  PolicyPage,
  PolicyPlan,
  PolicyVersionNumber,
  PolicyView,
  RuleVoice,
} from "./policies.js";
export {
  AcceptTool,
  PinnedToolDetail,
  PinnedToolPage,
  PinnedToolView,
  TOOL_FLAGS,
  type ToolFlag,
} from "./tools.js";
export { AuditEventPage, AuditEventView, AuditQuery } from "./audit.js";
export { SessionPage, SessionView } from "./sessions.js";
export {
  RecordingEventPage,
  RecordingEventView,
  RecordingPage,
  RecordingQuery,
  RecordingVerification,
  RecordingView,
} from "./recordings.js";
export { PublicInfo, ROLES, WhoAmI, type Role } from "./identity.js";
