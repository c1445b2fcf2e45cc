import { Module } from "@nestjs/common";
import { AuditModule } from "../audit/index.js";
import { EventsModule } from "../events/index.js";
import { PlatformModule } from "../platform/platform.module.js";
import { ReviewsModule } from "../reviews/index.js";
import { ApprovalActs } from "./approval-acts.js";
import { ApprovalEndings } from "./approval-endings.js";
import { ApprovalPreviews } from "./approval-previews.js";
import { ApprovalQueries } from "./approval-queries.js";
import { ApprovalSweeps } from "./approval-sweeps.js";
import { ApprovalVotes } from "./approval-votes.js";
import { ApprovalWaits } from "./approval-waits.js";
import { ApprovalsController } from "./approvals.controller.js";
import { ApprovalsRepository } from "./approvals.repository.js";
import { Approvals } from "./approvals.service.js";
import { ApprovalUses } from "./approval-uses.js";
import { Approving } from "./approving.js";
import { ArgumentEdits } from "./argument-edits.js";
import { Denials } from "./denials.js";
import { HeldApprovals } from "./held-approvals.js";
import { OperationHolding } from "./operation-holding.js";
import { OperationSeal } from "./operation-seal.js";
import { RepeatGrants } from "./repeat-grants.js";
import { RepeatGrantsRepository } from "./repeat-grants.repository.js";

@Module({
  imports: [PlatformModule, AuditModule, EventsModule, ReviewsModule],
  controllers: [ApprovalsController],
  providers: [
    ApprovalActs,
    ApprovalEndings,
    ApprovalPreviews,
    ApprovalQueries,
    Approvals,
    ApprovalsRepository,
    ApprovalSweeps,
    ApprovalVotes,
    ApprovalWaits,
    ApprovalUses,
    Approving,
    ArgumentEdits,
    Denials,
    HeldApprovals,
    OperationHolding,
    OperationSeal,
    RepeatGrants,
    RepeatGrantsRepository,
  ],
  exports: [ApprovalPreviews, Approvals, Denials],
})
export class ApprovalsModule {}
