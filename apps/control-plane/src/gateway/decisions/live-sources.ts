import { Injectable } from "@nestjs/common";
import type { CompiledPolicies } from "@drawbridge/policy";
import { type Grants, LiveGrants } from "../../access/index.js";
import { LiveLocks, type Locks } from "../../locks/index.js";
import type { Snapshot } from "../../platform/epoch-snapshot.js";
import { LivePolicies } from "../../policies/index.js";
import { LiveTargets } from "../../targets/index.js";
import { type Pins, ToolPins } from "../../tools/index.js";

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
export class LiveSources {
  constructor(
    readonly policies: LivePolicies,
    readonly targets: LiveTargets,
    readonly pins: ToolPins,
    readonly grants: LiveGrants,
    readonly locks: LiveLocks,
  ) {}

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
