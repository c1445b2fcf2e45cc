import { Module } from "@nestjs/common";
import { AgentsModule } from "../agents/index.js";
import { AuditModule } from "../audit/index.js";
import { PlatformModule } from "../platform/platform.module.js";
import { LiveTargets } from "./live-targets.js";
import { TargetRevisions } from "./target-revisions.js";
import { TargetVersionsRepository } from "./target-versions.repository.js";
import { TargetsController } from "./targets.controller.js";
import { TargetsRepository } from "./targets.repository.js";
import { TargetsService } from "./targets.service.js";

@Module({
  imports: [PlatformModule, AgentsModule, AuditModule],
  controllers: [TargetsController],
  providers: [LiveTargets, TargetRevisions, TargetsRepository, TargetsService, TargetVersionsRepository],
  exports: [LiveTargets, TargetRevisions],
})
export class TargetsModule {}
