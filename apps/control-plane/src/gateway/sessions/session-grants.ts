import { Injectable, type OnModuleInit } from "@nestjs/common";
import { SelfActivation } from "../../access/index.js";
import { Jobs } from "../../platform/jobs.js";
import { SessionsRepository } from "./sessions.repository.js";
import { SessionsService } from "./sessions.service.js";

const LOOK_EVERY_MS = 30_000;

/** Ends what was granted for one session when that session has ended. */
@Injectable()
export class SessionGrants implements OnModuleInit {
  constructor(
    private readonly activation: SelfActivation,
    private readonly sessions: SessionsService,
    private readonly repository: SessionsRepository,
    private readonly jobs: Jobs,
  ) {}

  onModuleInit(): void {
    this.sessions.onEnd((id) => this.activation.endOfSession(id));
    this.jobs.repeat("end-session-grants", LOOK_EVERY_MS, () => this.endLeft());
  }

  /** Of sessions that ended where nobody had them open, or whose process stopped before it came to this. */
  async endLeft(): Promise<void> {
    for (const id of await this.repository.closedWithGrants()) await this.activation.endOfSession(id);
  }
}
