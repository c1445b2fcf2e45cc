import { Injectable } from "@nestjs/common";
import {
  type CompiledPolicies,
  compilePolicies,
  type PolicyDocument,
  type PolicyVersion,
} from "@drawbridge/policy";
import { Database, type Transaction } from "../platform/database.js";
import { EpochSnapshot, type Snapshot } from "../platform/epoch-snapshot.js";
import { ENFORCED_FEATURES } from "./enforced-features.js";
import { PoliciesRepository, type PolicyKey } from "./policies.repository.js";

/** The live policies, compiled, as the data path sees them. */
@Injectable()
export class LivePolicies {
  private readonly snapshot: EpochSnapshot<CompiledPolicies>;
  private last: {
    readonly versions: ReadonlyMap<string, PolicyVersion>;
    readonly compiled: CompiledPolicies;
  };

  constructor(
    database: Database,
    private readonly repository: PoliciesRepository,
  ) {
    this.last = { versions: new Map(), compiled: compilePolicies([], ENFORCED_FEATURES) };
    this.snapshot = new EpochSnapshot(database, (transaction) => this.read(transaction));
  }

  get(): Promise<Snapshot<CompiledPolicies>> {
    return this.snapshot.get();
  }

  atLeast(epoch: bigint): Promise<Snapshot<CompiledPolicies>> {
    return this.snapshot.atLeast(epoch);
  }

  /** The document of a version, if it is among the live ones as last read: the conditions of that very one are compiled. */
  documentOf({ name, version }: PolicyKey): PolicyDocument | undefined {
    const known = this.last.versions.get(name);
    return known?.version === version ? known.document : undefined;
  }

  /**
   * The epoch moves for much that is no change of policies, and everybody waits for what is read then. A version never
   * changes: it is read and its conditions are compiled once.
   */
  private async read(transaction: Transaction): Promise<CompiledPolicies> {
    const { versions: before, compiled } = this.last;
    const live = await this.repository.liveVersions(transaction);
    const kept = live.flatMap(({ name, version }) => {
      const known = before.get(name);
      return known?.version === version ? [known] : [];
    });
    if (kept.length === live.length && kept.length === before.size) return compiled;
    const unread = live.filter(({ name, version }) => before.get(name)?.version !== version);
    const read = (await this.repository.versions(transaction, unread)).map(withoutSource);
    const versions = new Map([...kept, ...read].map((policy) => [policy.name, policy]));
    this.last = { versions, compiled: compilePolicies([...versions.values()], ENFORCED_FEATURES) };
    return this.last.compiled;
  }
}

function withoutSource({ name, version, document }: PolicyVersion): PolicyVersion {
  return { name, version, document };
}
