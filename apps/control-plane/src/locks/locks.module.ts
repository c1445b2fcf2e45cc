import { Module } from "@nestjs/common";
import { PlatformModule } from "../platform/platform.module.js";
import { LiveLocks } from "./live-locks.js";
import { LocksRepository } from "./locks.repository.js";

@Module({
  imports: [PlatformModule],
  providers: [LiveLocks, LocksRepository],
  exports: [LiveLocks],
})
export class LocksModule {}
