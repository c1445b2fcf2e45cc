import { Injectable, type OnModuleDestroy } from "@nestjs/common";
import { ApprovalActs } from "./approval-acts.js";
import { ApprovalEndings } from "./approval-endings.js";
import { ApprovalWatch } from "./approval-watch.js";
import type { HeldApproval } from "./approvals.js";
import { ApprovalsRepository } from "./approvals.repository.js";
import { HeldApprovals } from "./held-approvals.js";
import { CallerPresence } from "./caller-presence.js";

/** Who waits for approvals in this process: that they are there, and what they wait to hear. */
@Injectable()
export class ApprovalWaits implements OnModuleDestroy {
  private readonly presence: CallerPresence;
  private readonly watch: ApprovalWatch;

  constructor(
    repository: ApprovalsRepository,
    held: HeldApprovals,
    endings: ApprovalEndings,
    acts: ApprovalActs,
  ) {
    const now = () => acts.now();
    this.presence = new CallerPresence(repository, now);
    this.watch = new ApprovalWatch({ repository, held, endings, now });
    acts.onAct(() => this.watch.lookSoon());
  }

  attend(id: string, exchange?: number): () => Promise<void> {
    return this.presence.attend(id, exchange);
  }

  changed(known: HeldApproval, signal: AbortSignal): Promise<HeldApproval> {
    return this.watch.changed(known, signal);
  }

  /** Before anybody is taken for absent: after an outage nobody has been able to say that they are there. */
  renew(): Promise<void> {
    return this.presence.renew();
  }

  async onModuleDestroy(): Promise<void> {
    this.presence.stop();
    await this.watch.stop();
  }
}
