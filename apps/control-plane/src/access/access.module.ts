import { Module } from "@nestjs/common";
import { PlatformModule } from "../platform/platform.module.js";
import { GrantsRepository } from "./grants.repository.js";
import { LiveGrants } from "./live-grants.js";

@Module({
  imports: [PlatformModule],
  providers: [GrantsRepository, LiveGrants],
  exports: [LiveGrants],
})
export class AccessModule {}
