import { Injectable } from "@nestjs/common";
import { Database } from "../platform/database.js";
import { readEpoch } from "../platform/epoch-snapshot.js";
import { LivePolicies } from "../policies/index.js";
import { LiveTargets } from "../targets/index.js";

/** What decisions are made from. */
@Injectable()
export class LiveState {
  constructor(
    readonly policies: LivePolicies,
    readonly targets: LiveTargets,
    private readonly database: Database,
  ) {}

  /** As last read. Good enough where a recorded statement checks the epoch afterwards. */
  async known() {
    const [targets, policies] = await Promise.all([this.targets.get(), this.policies.get()]);
    return { targets: targets.value, policies: policies.value };
  }

  /** As of now. */
  async now() {
    const epoch = await readEpoch(this.database);
    const [targets, policies] = await Promise.all([
      this.targets.atLeast(epoch),
      this.policies.atLeast(epoch),
    ]);
    return { targets: targets.value, policies: policies.value };
  }
}
