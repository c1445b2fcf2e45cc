export type {
  ApprovalOwner,
  ApprovedOperation,
  Consumed,
  HeldApproval,
  JudgeEdit,
  OperationToHold,
} from "./approvals.js";
export { ApprovalsModule } from "./approvals.module.js";
export { Approvals, type DigestedOperation, type EndLeg, type TaskOwner } from "./approvals.service.js";
