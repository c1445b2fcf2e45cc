import { Injectable } from "@nestjs/common";
import { Database } from "../platform/database.js";
import { EpochSnapshot, type Snapshot } from "../platform/epoch-snapshot.js";
import { LocksRepository } from "./locks.repository.js";
import { type LiveLock, Locks } from "./locks.js";

/** The locks as the data path sees them. */
@Injectable()
export class LiveLocks {
  private readonly snapshot: EpochSnapshot<Locks>;

  constructor(
    database: Database,
    private readonly repository: LocksRepository,
  ) {
    this.snapshot = new EpochSnapshot(
      database,
      async (transaction) => new Locks(await repository.inForce(transaction)),
    );
  }

  get(): Promise<Snapshot<Locks>> {
    return this.snapshot.get();
  }

  atLeast(epoch: bigint): Promise<Snapshot<Locks>> {
    return this.snapshot.atLeast(epoch);
  }

  /** The lock on the agent that has this name at `at`, read afresh: an agent that has just joined is in no snapshot. */
  ofAgentNamed(name: string, at: Date): Promise<LiveLock | undefined> {
    return this.repository.onAgent(name, at);
  }
}
