import { Module } from "@nestjs/common";
import { AccessModule } from "../access/index.js";
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
    Admission,
    Authorization,
    Batches,
    CallLimits,
    ClientResponses,
    ClientTraffic,
    EndedGrants,
    FailedConditions,
    GatewayEndpoint,
    HeldBodies,
    LegacyEndpoint,
    LegacySessions,
    LiveChanges,
    LiveState,
    ModernEndpoint,
    ModernSessions,
    OutdatedSessions,
    Recorder,
    Resumption,
    SessionAccess,
    SessionEnding,
    SessionGrants,
    SessionOpening,
    SessionsQueries,
    SessionsRepository,
    SessionsService,
    SessionUpkeep,
    SessionStorage,
    TaskOwnership,
    TasksRepository,
    ToTarget,
    UnreadAnswers,
  ],
  exports: [GatewayEndpoint],
})
export class GatewayModule {}
