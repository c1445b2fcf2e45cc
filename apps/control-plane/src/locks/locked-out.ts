import { Injectable } from "@nestjs/common";
import type { Principal } from "../identity/index.js";
import { Clock } from "../platform/clock.js";
import { Database } from "../platform/database.js";
import { readEpoch } from "../platform/epoch-snapshot.js";
import { DomainError } from "../platform/errors.js";
import { LiveLocks } from "./live-locks.js";

/** Keeps people who are locked, and whoever uses a locked client, from the REST API and from all that stands on it. */
@Injectable()
export class LockedOut {
  constructor(
    private readonly locks: LiveLocks,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** As of this moment, for one small read. @throws DomainError locked */
  async refuse({ id, client }: Pick<Principal, "id" | "client">): Promise<void> {
    const { value: locks } = await this.locks.atLeast(await readEpoch(this.database));
    const lock = locks.on({ principal: id, client }, this.clock.now());
    if (lock) throw new DomainError("locked", `the ${lock.kind} is locked: ${lock.reason}`);
  }
}
