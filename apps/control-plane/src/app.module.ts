import { Module } from "@nestjs/common";
import { AccessModule } from "./access/index.js";
import { AgentsModule } from "./agents/index.js";
import { AuditModule } from "./audit/index.js";
import { EventStreamsModule } from "./event-streams/index.js";
import { GatewayModule } from "./gateway/index.js";
import { IdentityModule } from "./identity/index.js";
import { NotificationsModule } from "./notifications/index.js";
import { PlatformModule } from "./platform/platform.module.js";
import { PoliciesModule } from "./policies/index.js";
import { RecordingsModule } from "./recordings/index.js";
import { TargetsModule } from "./targets/index.js";
import { ToolsModule } from "./tools/index.js";

@Module({
  imports: [
    PlatformModule,
    IdentityModule,
    AccessModule,
    AgentsModule,
    TargetsModule,
    ToolsModule,
    PoliciesModule,
    RecordingsModule,
    AuditModule,
    EventStreamsModule,
    NotificationsModule,
    GatewayModule,
  ],
})
export class AppModule {}
