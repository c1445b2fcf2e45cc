import { Injectable } from "@nestjs/common";
import { Database } from "../platform/database.js";
import { readEpoch } from "../platform/epoch-snapshot.js";
import { LiveTargets, type Target } from "../targets/index.js";
import { type Pins, ToolPins } from "../tools/index.js";
import { LivePolicies } from "./live-policies.js";
import { PoliciesRepository, type StoredPolicy } from "./policies.repository.js";

/** What policies decide about, as of `epoch` or later. */
export interface Surroundings {
  readonly epoch: bigint;
  readonly targets: ReadonlyMap<string, Target>;
  readonly pins: Pins;
}

/** What is there now, for those who try policies: nothing they say is recorded, so nothing tells them that it changed. */
@Injectable()
export class LiveSurroundings {
  constructor(
    private readonly database: Database,
    private readonly live: LivePolicies,
    private readonly stored: PoliciesRepository,
    private readonly targets: LiveTargets,
    private readonly pins: ToolPins,
  ) {}

  async now(): Promise<Surroundings> {
    const epoch = await readEpoch(this.database);
    const [targets, pins] = await Promise.all([this.targets.atLeast(epoch), this.pins.atLeast(epoch)]);
    return { epoch, targets: targets.value, pins: pins.value };
  }

  /** The live policies as documents, to put others in their places. */
  async policies(): Promise<StoredPolicy[]> {
    const stored = await this.stored.live();
    return stored.map((policy) => ({ ...policy, document: this.live.documentOf(policy) ?? policy.document }));
  }
}
