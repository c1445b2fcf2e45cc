import { Injectable, type OnModuleInit } from "@nestjs/common";
import { Jobs } from "../platform/jobs.js";
import { GRANT_OVER, REQUEST_DUE } from "./access-acts.js";
import { GrantSweep } from "./grant-sweep.js";
import { RequestExpiry } from "./request-expiry.js";
import { SelfActivation } from "./self-activation.js";

const SWEEP_EVERY_MS = 5_000;

/** Writes down what time has done. Nothing waits for it: every decision compares the times itself. */
@Injectable()
export class AccessSweep implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly expiry: RequestExpiry,
    private readonly sessions: SelfActivation,
    private readonly ends: GrantSweep,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(REQUEST_DUE, (id) => this.expiry.settle(id));
    this.jobs.handle(GRANT_OVER, () => this.ends.endOver());
    this.jobs.sweep("access-sweep", SWEEP_EVERY_MS, () => this.sweep());
  }

  async sweep(): Promise<void> {
    await this.expiry.settleAll();
    await this.ends.endOver();
    for (const id of await this.ends.closedSessions()) await this.sessions.endOfSession(id);
  }
}
