import { Injectable } from "@nestjs/common";
import type { TargetDefinition } from "@drawbridge/protocol";
import { Database } from "../platform/database.js";
import { EpochSnapshot, type Snapshot } from "../platform/epoch-snapshot.js";
import { targetDefinition } from "./target-definition.js";
import { type Target, TargetsRepository } from "./targets.repository.js";

/** The registered targets as the data path sees them. */
@Injectable()
export class LiveTargets {
  private readonly snapshot: EpochSnapshot<ReadonlyMap<string, Target>>;

  constructor(
    database: Database,
    private readonly repository: TargetsRepository,
  ) {
    this.snapshot = new EpochSnapshot(database, async (transaction) => {
      const targets = await repository.all(transaction);
      return new Map(targets.map((target) => [target.name, target]));
    });
  }

  get(): Promise<Snapshot<ReadonlyMap<string, Target>>> {
    return this.snapshot.get();
  }

  atLeast(epoch: bigint): Promise<Snapshot<ReadonlyMap<string, Target>>> {
    return this.snapshot.atLeast(epoch);
  }

  /** What the agent needs to reach the target. Holds secrets: for the agent's stream only. */
  definition(target: Target): TargetDefinition {
    return targetDefinition(this.repository.unseal(target));
  }
}
