import { Injectable } from "@nestjs/common";
import type { Grant } from "@drawbridge/policy";
import { Database } from "../platform/database.js";
import { EpochSnapshot, type Snapshot } from "../platform/epoch-snapshot.js";
import { GrantsRepository, type StoredGrant } from "./grants.repository.js";

/** Access for a while, as decisions need it. */
export interface LiveGrant extends Grant {
  readonly principal: string;
  readonly targetId: string;
  /** Only in this session. */
  readonly sessionId: string | undefined;
}

/** Of whom, at which target, in which session. */
export interface GrantHolder {
  readonly principal: string;
  readonly targetId: string;
  readonly sessionId?: string | undefined;
}

/** All grants that are active, or were when this was read: which are in force is up to the time. */
export class Grants {
  private readonly byHolder = new Map<string, LiveGrant[]>();

  constructor(readonly all: readonly LiveGrant[]) {
    for (const grant of all) {
      const key = keyOf(grant);
      const known = this.byHolder.get(key);
      if (known) known.push(grant);
      else this.byHolder.set(key, [grant]);
    }
  }

  /** Those in force at `at`. */
  of(holder: GrantHolder, at: Date): readonly LiveGrant[] {
    const known = this.byHolder.get(keyOf(holder));
    if (!known) return NONE;
    return known.filter(
      ({ sessionId, startsAt, endsAt }) =>
        (sessionId === undefined || sessionId === holder.sessionId) && startsAt <= at && at < endsAt,
    );
  }
}

const NONE: readonly LiveGrant[] = [];

/** The grants as the data path sees them. */
@Injectable()
export class LiveGrants {
  private readonly snapshot: EpochSnapshot<Grants>;

  constructor(database: Database, repository: GrantsRepository) {
    this.snapshot = new EpochSnapshot(database, async (transaction) => {
      const active = await repository.active(transaction);
      return new Grants(active.map(liveGrant));
    });
  }

  get(): Promise<Snapshot<Grants>> {
    return this.snapshot.get();
  }

  atLeast(epoch: bigint): Promise<Snapshot<Grants>> {
    return this.snapshot.atLeast(epoch);
  }
}

function keyOf({ principal, targetId }: GrantHolder): string {
  return `${targetId} ${principal}`;
}

function liveGrant(grant: StoredGrant): LiveGrant {
  const { id, principal, targetId, sessionId, policy, tools, reason, ticket, kind, startsAt, endsAt } = grant;
  return {
    id,
    principal,
    targetId,
    sessionId: sessionId ?? undefined,
    policy,
    tools: tools.length === 0 ? undefined : tools,
    reason: reason ?? undefined,
    ticket: ticket ?? undefined,
    breakGlass: kind === "break_glass",
    startsAt,
    endsAt,
  };
}
