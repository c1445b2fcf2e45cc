import { Injectable, type OnModuleInit } from "@nestjs/common";
import { DamagedRecordingError } from "@drawbridge/recording";
import { Approvals } from "../../approvals/index.js";
import { type Fate, RecordingReader, RecordingRecovery } from "../../recordings/index.js";
import type { RecordedRun } from "./run-outcomes.js";

/** Of calls that wait for people nobody says that they were left behind: their clients may come back for them. */
@Injectable()
export class HeldRecovery implements OnModuleInit {
  constructor(
    private readonly recovery: RecordingRecovery,
    private readonly approvals: Approvals,
    private readonly reader: RecordingReader,
  ) {}

  onModuleInit(): void {
    this.recovery.setHeld(() => this.approvals.openExchanges());
    this.recovery.setFateOf((exchange) => this.fateOf(exchange));
  }

  /** That it may run is written down before its approval is taken, and it is sent after that. */
  private async fateOf(run: RecordedRun): Promise<Fate> {
    const id = await this.approvalOf(run).catch((error: unknown) => {
      if (error instanceof DamagedRecordingError) return undefined;
      throw error;
    });
    if (id === undefined) return "not known";
    const standing = await this.approvals.standingOf(id, run);
    if (standing === "open") return undefined;
    return standing === "not taken" ? "not sent" : "not known";
  }

  /** Undefined also of what may have run without: by what was approved for the session. */
  private async approvalOf({ sessionId, exchange }: RecordedRun): Promise<string | undefined> {
    let found: string | undefined;
    for await (const { attributes } of this.reader.decisions(sessionId, exchange)) {
      const { approval, grant } = attributes;
      if (grant !== undefined) return undefined;
      if (typeof approval === "string") found = approval;
    }
    return found;
  }
}
