export { type ApprovalPreview, ApprovalPreviews } from "./approval-previews.js";
export type {
  ApprovalOwner,
  ApprovedOperation,
  Consumed,
  HeldApproval,
  JudgeEdit,
  OperationToHold,
} from "./approvals.js";
export { ApprovalsModule } from "./approvals.module.js";
export { Approvals, type EndLeg } from "./approvals.service.js";
export { Denials } from "./denials.js";
export type { RepeatGrant } from "./repeat-grants.repository.js";
