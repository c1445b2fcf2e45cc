import { Injectable, type OnModuleInit } from "@nestjs/common";
import { Approvals } from "../../approvals/index.js";
import { RecordingRecovery } from "../../recordings/index.js";

/** Of calls that wait for people nobody says that they were left behind: their clients may come back for them. */
@Injectable()
export class HeldRecovery implements OnModuleInit {
  constructor(
    private readonly recovery: RecordingRecovery,
    private readonly approvals: Approvals,
  ) {}

  onModuleInit(): void {
    this.recovery.setHeld(() => this.approvals.openExchanges());
  }
}
