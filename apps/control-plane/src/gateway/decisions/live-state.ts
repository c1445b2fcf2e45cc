import { Injectable } from "@nestjs/common";
import { Database } from "../../platform/database.js";
import { readEpoch } from "../../platform/epoch-snapshot.js";
import { LiveTargets, type Target, TargetRevisions } from "../../targets/index.js";
import { ToolPins } from "../../tools/index.js";
import { maySpeakModern } from "../era-refusals.js";
import { type LiveSnapshot, LiveSources } from "./live-sources.js";

export type { LiveSnapshot } from "./live-sources.js";

/** What decisions are made from, as of the moment that is asked for, and what is known of targets beside it. */
@Injectable()
export class LiveState {
  constructor(
    private readonly sources: LiveSources,
    readonly revisions: TargetRevisions,
    private readonly database: Database,
  ) {}

  get targets(): LiveTargets {
    return this.sources.targets;
  }

  get pins(): ToolPins {
    return this.sources.pins;
  }

  /** As last read. Good enough where a recorded statement checks the epoch afterwards. */
  known(): Promise<LiveSnapshot> {
    return this.sources.known();
  }

  atLeast(epoch: bigint): Promise<LiveSnapshot> {
    return this.sources.atLeast(epoch);
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
