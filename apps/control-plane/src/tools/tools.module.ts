import { Module } from "@nestjs/common";
import { AuditModule } from "../audit/index.js";
import { PlatformModule } from "../platform/platform.module.js";
import { TargetsModule } from "../targets/index.js";
import { ToolAcceptance } from "./tool-acceptance.js";
import { ToolPinsRepository } from "./tool-pins.repository.js";
import { ToolPins } from "./tool-pins.js";
import { ToolsController } from "./tools.controller.js";
import { ToolsService } from "./tools.service.js";

@Module({
  imports: [PlatformModule, AuditModule, TargetsModule],
  controllers: [ToolsController],
  providers: [ToolAcceptance, ToolPins, ToolPinsRepository, ToolsService],
  exports: [ToolPins],
})
export class ToolsModule {}
