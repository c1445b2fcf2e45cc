import { Module } from "@nestjs/common";
import { AgentsModule } from "../agents/index.js";
import { AuditModule } from "../audit/index.js";
import { IdentityModule } from "../identity/index.js";
import { PlatformModule } from "../platform/platform.module.js";
import { PoliciesModule } from "../policies/index.js";
import { RecordingsModule } from "../recordings/index.js";
import { TargetsModule } from "../targets/index.js";
import { Admission } from "./admission.js";
import { Batches } from "./batches.js";
import { ClientTraffic } from "./client-traffic.js";
import { GatewayEndpoint } from "./gateway-endpoint.js";
import { LegacyEndpoint } from "./legacy-endpoint.js";
import { LegacySessions } from "./legacy-sessions.js";
import { ModernEndpoint } from "./modern-endpoint.js";
import { ModernSessions } from "./modern-sessions.js";
import { Recorder } from "./recorder.js";
import { Resumption } from "./resumption.js";
import { SessionEnding } from "./session-ending.js";
import { SessionOpening } from "./session-opening.js";
import { SessionsQueries } from "./sessions-queries.js";
import { SessionUpkeep } from "./session-upkeep.js";
import { SessionsController } from "./sessions.controller.js";
import { SessionsRepository } from "./sessions.repository.js";
import { LiveState } from "./live-state.js";
import { SessionStorage } from "./session-storage.js";
import { SessionsService } from "./sessions.service.js";
import { TaskOwnership } from "./task-ownership.js";
import { TasksRepository } from "./tasks.repository.js";

@Module({
  imports: [
    PlatformModule,
    IdentityModule,
    AgentsModule,
    AuditModule,
    PoliciesModule,
    RecordingsModule,
    TargetsModule,
  ],
  controllers: [SessionsController],
  providers: [
    Admission,
    Batches,
    ClientTraffic,
    GatewayEndpoint,
    LegacyEndpoint,
    LegacySessions,
    LiveState,
    ModernEndpoint,
    ModernSessions,
    Recorder,
    Resumption,
    SessionEnding,
    SessionOpening,
    SessionsQueries,
    SessionsRepository,
    SessionsService,
    SessionUpkeep,
    SessionStorage,
    TaskOwnership,
    TasksRepository,
  ],
  exports: [GatewayEndpoint],
})
export class GatewayModule {}
