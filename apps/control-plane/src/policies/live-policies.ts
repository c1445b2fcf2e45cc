import { Injectable } from "@nestjs/common";
import { type CompiledPolicies, compilePolicies } from "@drawbridge/policy";
import { Database } from "../platform/database.js";
import { EpochSnapshot, type Snapshot } from "../platform/epoch-snapshot.js";
import { ENFORCED_FEATURES } from "./enforced-features.js";
import { PoliciesRepository } from "./policies.repository.js";

/** The live policies, compiled, as the data path sees them. */
@Injectable()
export class LivePolicies {
  private readonly snapshot: EpochSnapshot<CompiledPolicies>;

  constructor(database: Database, repository: PoliciesRepository) {
    this.snapshot = new EpochSnapshot(database, async (transaction) =>
      compilePolicies(await repository.all(transaction), ENFORCED_FEATURES),
    );
  }

  get(): Promise<Snapshot<CompiledPolicies>> {
    return this.snapshot.get();
  }

  atLeast(epoch: bigint): Promise<Snapshot<CompiledPolicies>> {
    return this.snapshot.atLeast(epoch);
  }
}
