import { Module } from "@nestjs/common";
import { PlatformModule } from "../platform/platform.module.js";
import { AuditEventsController } from "./audit-events.controller.js";
import { AuditEventsRepository } from "./audit-events.repository.js";
import { AuditLog } from "./audit-log.js";

@Module({
  imports: [PlatformModule],
  controllers: [AuditEventsController],
  providers: [AuditEventsRepository, AuditLog],
  exports: [AuditLog],
})
export class AuditModule {}
