import { Module } from "@nestjs/common";
import { AccessModule } from "../access/index.js";
import { ApprovalsModule } from "../approvals/index.js";
import { AgentsModule } from "../agents/index.js";
import { AuditModule } from "../audit/index.js";
import { EventsModule } from "../events/index.js";
import { IdentityModule } from "../identity/index.js";
import { LimitsModule } from "../limits/index.js";
import { LocksModule } from "../locks/index.js";
import { PlatformModule } from "../platform/platform.module.js";
import { PoliciesModule } from "../policies/index.js";
import { RecordingsModule } from "../recordings/index.js";
import { TargetsModule } from "../targets/index.js";
import { ToolsModule } from "../tools/index.js";
import { AccessOnCall } from "./holding/access-on-call.js";
import { ApprovedRuns } from "./holding/approved-runs.js";
import { CallsWithoutAccess } from "./holding/calls-without-access.js";
import { EditJudge } from "./holding/edit-judge.js";
import { HeldCalls } from "./holding/held-calls.js";
import { HeldRecovery } from "./holding/held-recovery.js";
import { HeldTasks } from "./holding/held-tasks.js";
import { LegEndings } from "./holding/leg-endings.js";
import { LegTimes } from "./holding/leg-times.js";
import { RequestStates } from "./holding/request-states.js";
import { RunOutcomes } from "./holding/run-outcomes.js";
import { TaskRuns } from "./holding/task-runs.js";
import { Waiting } from "./holding/waiting.js";
import { TaskDelivery } from "./holding/task-delivery.js";
import { TaskStandings } from "./holding/task-standings.js";
import { LeftBehindCalls } from "./holding/left-behind.js";
import { Holding } from "./holding/holding.js";
import { ApprovalLegs } from "./holding/approval-legs.js";
import { OperationsToHold } from "./holding/operations-to-hold.js";
import { ClientRequests } from "./traffic/client-requests.js";
import { Admission } from "./edge/admission.js";
import { Batches } from "./edge/batches.js";
import { Authorization } from "./traffic/authorization.js";
import { CallLimits } from "./traffic/call-limits.js";
import { ClientResponses } from "./traffic/client-responses.js";
import { ClientTraffic } from "./traffic/client-traffic.js";
import { FailedConditions } from "./decisions/failed-conditions.js";
import { GatewayEndpoint } from "./edge/gateway-endpoint.js";
import { HeldBodies } from "./edge/held-bodies.js";
import { LegacyEndpoint } from "./edge/legacy-endpoint.js";
import { LegacySessions } from "./sessions/legacy-sessions.js";
import { ModernEndpoint } from "./edge/modern-endpoint.js";
import { ModernSessions } from "./sessions/modern-sessions.js";
import { OutdatedSessions } from "./sessions/outdated-sessions.js";
import { Recorder } from "./traffic/recorder.js";
import { Resumption } from "./replies/resumption.js";
import { UnreadAnswers } from "./replies/unread-answers.js";
import { EndedGrants } from "./sessions/ended-grants.js";
import { SessionAccess } from "./sessions/session-access.js";
import { SessionEnding } from "./sessions/session-ending.js";
import { SessionGrants } from "./sessions/session-grants.js";
import { SessionOpening } from "./sessions/session-opening.js";
import { SessionsQueries } from "./sessions/sessions-queries.js";
import { SessionUpkeep } from "./sessions/session-upkeep.js";
import { SessionsController } from "./sessions/sessions.controller.js";
import { SessionsRepository } from "./sessions/sessions.repository.js";
import { LiveChanges } from "./sessions/live-changes.js";
import { LiveSources } from "./decisions/live-sources.js";
import { LiveState } from "./decisions/live-state.js";
import { SessionStorage } from "./sessions/session-storage.js";
import { SessionsService } from "./sessions/sessions.service.js";
import { TaskOwnership } from "./decisions/task-ownership.js";
import { ToTarget } from "./traffic/to-target.js";
import { TasksRepository } from "./decisions/tasks.repository.js";

@Module({
  imports: [
    PlatformModule,
    IdentityModule,
    AgentsModule,
    ApprovalsModule,
    AuditModule,
    AccessModule,
    EventsModule,
    LimitsModule,
    LocksModule,
    PoliciesModule,
    RecordingsModule,
    TargetsModule,
    ToolsModule,
  ],
  controllers: [SessionsController],
  providers: [
    AccessOnCall,
    Admission,
    ApprovalLegs,
    ApprovedRuns,
    Authorization,
    Batches,
    CallsWithoutAccess,
    CallLimits,
    ClientRequests,
    ClientResponses,
    ClientTraffic,
    EditJudge,
    EndedGrants,
    FailedConditions,
    GatewayEndpoint,
    HeldBodies,
    HeldCalls,
    HeldRecovery,
    HeldTasks,
    Holding,
    LeftBehindCalls,
    LegacyEndpoint,
    LegacySessions,
    LegEndings,
    LegTimes,
    LiveChanges,
    LiveSources,
    LiveState,
    ModernEndpoint,
    ModernSessions,
    OperationsToHold,
    OutdatedSessions,
    Recorder,
    RequestStates,
    Resumption,
    RunOutcomes,
    SessionAccess,
    SessionEnding,
    SessionGrants,
    SessionOpening,
    SessionsQueries,
    SessionsRepository,
    SessionsService,
    SessionStorage,
    SessionUpkeep,
    TaskDelivery,
    TaskOwnership,
    TaskRuns,
    TasksRepository,
    TaskStandings,
    ToTarget,
    UnreadAnswers,
    Waiting,
  ],
  exports: [GatewayEndpoint],
})
export class GatewayModule {}
