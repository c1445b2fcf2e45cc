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
export { Comment, ReviewersView, ReviewView, VoteView } from "./reviews.js";
export {
  AccessRequestPage,
  AccessRequestQuery,
  AccessRequestView,
  CreateAccessRequest,
  EndGrant,
  ExtendGrant,
  GRANT_STATES,
  GrantPage,
  GrantQuery,
  GrantView,
  REQUEST_STATES,
  ReviewAccessRequest,
  ReviewBreakGlass,
} from "./access.js";
export {
  APPROVAL_STATES,
  ApprovalDetail,
  ApprovalPage,
  ApprovalQuery,
  type ApprovalState,
  ApprovalView,
  ApproveOperation,
  DenyOperation,
  RevokeApproval,
} from "./approvals.js";
export { CreateLock, LOCK_KINDS, type LockKind, LockPage, LockQuery, LockView } from "./locks.js";
export {
  EVENT_KINDS,
  type EventKind,
  EventMessage,
  EVENTS_PROTOCOL,
  EventStreamQuery,
  matchesEvent,
} from "./events.js";
export {
  ApplyNotificationChannel,
  DELIVERY_STATES,
  NotificationChannelApplied,
  NotificationChannelPage,
  NotificationChannelView,
  NotificationDeliveryPage,
  NotificationDeliveryQuery,
  NotificationDeliveryView,
} from "./notifications.js";
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
