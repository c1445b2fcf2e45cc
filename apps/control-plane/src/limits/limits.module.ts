import { Module } from "@nestjs/common";
import { PlatformModule } from "../platform/platform.module.js";
import { LimitUsageRepository } from "./limit-usage.repository.js";
import { Limits } from "./limits.service.js";

@Module({
  imports: [PlatformModule],
  providers: [LimitUsageRepository, Limits],
  exports: [Limits],
})
export class LimitsModule {}
