import { Injectable, type OnModuleInit } from "@nestjs/common";
import { ApiConditions, type Permission, type Principal } from "../identity/index.js";
import { Clock } from "../platform/clock.js";
import { Database } from "../platform/database.js";
import { readEpoch } from "../platform/epoch-snapshot.js";
import { DomainError } from "../platform/errors.js";
import { LiveLocks } from "./live-locks.js";

// Who one is may be asked in any case: it is how people find out.
const OPEN_TO_LOCKED: Permission = "identity:read";

/** Keeps people who are locked, and whoever uses a locked client, from the REST API and from all that stands on it. */
@Injectable()
export class LockedOut implements OnModuleInit {
  constructor(
    private readonly locks: LiveLocks,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly conditions: ApiConditions,
  ) {}

  onModuleInit(): void {
    this.conditions.add(async (principal, permission) => {
      if (permission !== OPEN_TO_LOCKED) await this.refuse(principal);
    });
  }

  /** As of this moment, for one small read. @throws DomainError locked */
  async refuse({ id, client }: Pick<Principal, "id" | "client">): Promise<void> {
    const { value: locks } = await this.locks.atLeast(await readEpoch(this.database));
    const lock = locks.on({ principal: id, client }, this.clock.now());
    if (lock) throw new DomainError("locked", `the ${lock.kind} is locked: ${lock.reason}`);
  }
}
