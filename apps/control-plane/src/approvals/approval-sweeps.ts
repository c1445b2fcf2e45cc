import { Injectable, type OnModuleInit } from "@nestjs/common";
import { Clock } from "../platform/clock.js";
import { Jobs } from "../platform/jobs.js";
import { ApprovalEndings, EXPIRE_JOB } from "./approval-endings.js";
import { ApprovalWaits } from "./approval-waits.js";
import { ApprovalsRepository } from "./approvals.repository.js";

const SWEEP_EVERY_MS = 2_000;
const AT_ONCE = 500;

/** Ends what is over though nothing else has noticed: the queue may have lost the job, and nobody tells that a caller has left. */
@Injectable()
export class ApprovalSweeps implements OnModuleInit {
  constructor(
    private readonly repository: ApprovalsRepository,
    private readonly endings: ApprovalEndings,
    private readonly waits: ApprovalWaits,
    private readonly jobs: Jobs,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(EXPIRE_JOB, (id) => this.endings.expire(id));
    this.jobs.sweep("sweep-approvals", SWEEP_EVERY_MS, () => this.sweep());
  }

  private async sweep(): Promise<void> {
    if ((await this.repository.due(this.clock.now(), 1)).length === 0) return;
    await this.waits.renew();
    const now = this.clock.now();
    for (const { id, presentUntil } of await this.repository.due(now, AT_ONCE)) {
      if (presentUntil <= now) await this.endings.abandon(id);
      else await this.endings.expire(id);
    }
  }
}
