import { Injectable, type OnModuleInit } from "@nestjs/common";
import { Jobs } from "../platform/jobs.js";
import { LocksService } from "./locks.service.js";

const LOOK_EVERY_MS = 10_000;

/** A lock ends by itself to the millisecond; that it has is written down a moment later. */
@Injectable()
export class LockExpiry implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly locks: LocksService,
  ) {}

  onModuleInit(): void {
    this.jobs.sweep("release-expired-locks", LOOK_EVERY_MS, () => this.locks.releaseOverdue());
  }
}
