import { setTimeout as sleep } from "node:timers/promises";
import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleInit } from "@nestjs/common";
import { EpochWatch } from "../../platform/epoch-watch.js";
import { FairTurns } from "../../platform/fair-turns.js";
import type { LiveSnapshot } from "../decisions/live-state.js";
import type { LiveChange } from "../decisions/changed-lists.js";
import { LiveState } from "../decisions/live-state.js";
import type { GatewaySession } from "./gateway-session.js";
import { OutdatedSessions } from "./outdated-sessions.js";
import { SessionUpkeep } from "./session-upkeep.js";
import { SessionsService } from "./sessions.service.js";

const TOLD_WITHIN_MS = 400;

/**
 * Has every change reach what is open in this process within a second, also where nobody says anything: sessions that
 * were ended elsewhere, that nobody may use any more or whose target is gone, calls under way that would be denied now,
 * and streams of those who may not listen any more.
 */
@Injectable()
export class LiveChanges implements OnModuleInit, OnApplicationBootstrap {
  private readonly logger = new Logger("gateway");
  private before: LiveChange["before"];

  constructor(
    private readonly watch: EpochWatch,
    private readonly live: LiveState,
    private readonly sessions: SessionsService,
    private readonly upkeep: SessionUpkeep,
    private readonly outdated: OutdatedSessions,
  ) {}

  onModuleInit(): void {
    this.watch.onChange((epoch) => this.changed(epoch));
  }

  /** To know what has changed when something does. Without it clients are told of lists that may be the same. */
  async onApplicationBootstrap(): Promise<void> {
    this.before = await this.live.known().catch(() => undefined);
  }

  private async changed(epoch: bigint): Promise<void> {
    await this.act(await this.live.atLeast(epoch));
  }

  /** Something has ended by its time: what follows is the same as if somebody had ended it. */
  async lookAgain(): Promise<void> {
    await this.act(await this.live.now());
  }

  private async act(live: LiveSnapshot): Promise<void> {
    const change = { before: this.before, live };
    this.before = live;
    // Nothing of it is waited for: a client that does not read, or an agent that is slow, must not keep the next change
    // from anybody.
    const turns = new FairTurns();
    for (const session of this.sessions.all) {
      void this.inSession(session, change);
      await turns.next();
    }
    void this.upkeep.endClosed();
  }

  private async inSession(session: GatewaySession, change: LiveChange): Promise<void> {
    try {
      const applied = this.sessions.trafficOf(session).changes.apply(change);
      // Who waits for an answer hears that access has ended; if that takes long, that the session has.
      await Promise.race([applied, sleep(TOLD_WITHIN_MS, undefined, { ref: false })]);
      await this.outdated.lookAt(session, change.live);
      await applied;
    } catch (error) {
      this.logger.error("what follows from a change could not be done in a session", String(error));
    }
  }
}
