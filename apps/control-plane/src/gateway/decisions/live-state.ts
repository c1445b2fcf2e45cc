import { Injectable } from "@nestjs/common";
import type { CompiledPolicies } from "@drawbridge/policy";
import { type Grants, LiveGrants } from "../../access/index.js";
import { LiveLocks, type Locks } from "../../locks/index.js";
import { Database } from "../../platform/database.js";
import { readEpoch, type Snapshot } from "../../platform/epoch-snapshot.js";
import { LivePolicies } from "../../policies/index.js";
import { LiveTargets, type Target, TargetRevisions } from "../../targets/index.js";
import { type Pins, ToolPins } from "../../tools/index.js";
import { maySpeakModern } from "../era-refusals.js";

/** What decisions are made from, all of it true at `epoch` or later. */
export interface LiveSnapshot {
  readonly epoch: bigint;
  readonly targets: Awaited<ReturnType<LiveTargets["get"]>>["value"];
  readonly policies: CompiledPolicies;
  readonly pins: Pins;
  readonly grants: Grants;
  readonly locks: Locks;
}

/** What decides is read apart; a decision needs all of it as of one moment, so the oldest epoch counts. */
@Injectable()
export class LiveState {
  constructor(
    readonly policies: LivePolicies,
    readonly targets: LiveTargets,
    readonly revisions: TargetRevisions,
    readonly pins: ToolPins,
    readonly grants: LiveGrants,
    readonly locks: LiveLocks,
    private readonly database: Database,
  ) {}

  /** As last read. Good enough where a recorded statement checks the epoch afterwards. */
  async known(): Promise<LiveSnapshot> {
    const { targets, policies, pins, grants, locks } = this;
    return together(
      await Promise.all([targets.get(), policies.get(), pins.get(), grants.get(), locks.get()]),
    );
  }

  async atLeast(epoch: bigint): Promise<LiveSnapshot> {
    const { targets, policies, pins, grants, locks } = this;
    return together(
      await Promise.all([
        targets.atLeast(epoch),
        policies.atLeast(epoch),
        pins.atLeast(epoch),
        grants.atLeast(epoch),
        locks.atLeast(epoch),
      ]),
    );
  }

  /** The revisions that a target speaks, if it is known not to speak 2026-07-28. */
  async withoutModern({ name, ...target }: Target): Promise<readonly string[] | undefined> {
    if (maySpeakModern(await this.revisions.of(target))) return undefined;
    // Nothing is recorded for who is refused, so nothing tells that the target has been changed since: look again.
    const current = (await this.now()).targets.get(name);
    const versions = current && (await this.revisions.of(current));
    return maySpeakModern(versions) ? undefined : versions;
  }

  /** As of now. */
  async now(): Promise<LiveSnapshot> {
    return this.atLeast(await readEpoch(this.database));
  }
}

function together([targets, policies, pins, grants, locks]: [
  Snapshot<LiveSnapshot["targets"]>,
  Snapshot<CompiledPolicies>,
  Snapshot<Pins>,
  Snapshot<Grants>,
  Snapshot<Locks>,
]): LiveSnapshot {
  const others = [policies, pins, grants, locks].map(({ epoch }) => epoch);
  return {
    epoch: others.reduce((oldest, each) => (each < oldest ? each : oldest), targets.epoch),
    targets: targets.value,
    policies: policies.value,
    pins: pins.value,
    grants: grants.value,
    locks: locks.value,
  };
}
