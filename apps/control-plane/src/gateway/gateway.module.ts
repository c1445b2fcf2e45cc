import { Module } from "@nestjs/common";
import { AgentsModule } from "../agents/index.js";
import { AuditModule } from "../audit/index.js";
import { IdentityModule } from "../identity/index.js";
import { PlatformModule } from "../platform/platform.module.js";
import { PoliciesModule } from "../policies/index.js";
import { RecordingsModule } from "../recordings/index.js";
import { TargetsModule } from "../targets/index.js";
import { ClientTraffic } from "./client-traffic.js";
import { GatewayEndpoint } from "./gateway-endpoint.js";
import { Recorder } from "./recorder.js";
import { SessionEnding } from "./session-ending.js";
import { SessionsQueries } from "./sessions-queries.js";
import { SessionUpkeep } from "./session-upkeep.js";
import { SessionsController } from "./sessions.controller.js";
import { SessionsRepository } from "./sessions.repository.js";
import { LiveState } from "./live-state.js";
import { SessionStorage } from "./session-storage.js";
import { SessionsService } from "./sessions.service.js";

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
    ClientTraffic,
    GatewayEndpoint,
    LiveState,
    Recorder,
    SessionEnding,
    SessionsQueries,
    SessionsRepository,
    SessionsService,
    SessionUpkeep,
    SessionStorage,
  ],
  exports: [GatewayEndpoint],
})
export class GatewayModule {}
