import { Module } from "@nestjs/common";
import { AuditModule } from "../audit/index.js";
import { EventsModule } from "../events/index.js";
import { IdentityModule } from "../identity/index.js";
import { PlatformModule } from "../platform/platform.module.js";
import { LiveLocks } from "./live-locks.js";
import { LockActs } from "./lock-acts.js";
import { LockExpiry } from "./lock-expiry.js";
import { LockableSubjects } from "./lockable-subjects.js";
import { LockedOut } from "./locked-out.js";
import { LocksController } from "./locks.controller.js";
import { LocksRepository } from "./locks.repository.js";
import { LocksService } from "./locks.service.js";

@Module({
  imports: [IdentityModule, PlatformModule, AuditModule, EventsModule],
  controllers: [LocksController],
  providers: [LiveLocks, LockableSubjects, LockActs, LockedOut, LockExpiry, LocksRepository, LocksService],
  exports: [LiveLocks, LockedOut],
})
export class LocksModule {}
