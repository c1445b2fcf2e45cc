import { Injectable } from "@nestjs/common";
import type { JitPolicy } from "@drawbridge/policy";
import type { Principal } from "../identity/index.js";
import { Database } from "../platform/database.js";
import { readEpoch } from "../platform/epoch-snapshot.js";
import type { Target } from "../targets/index.js";
import { AccessActs, BY_POLICY, BY_SYSTEM } from "./access-acts.js";
import { longestMs, termsOf } from "./access-terms.js";
import { GrantsRepository, type NewGrant } from "./grants.repository.js";
import { LiveGrants } from "./live-grants.js";
import { RequestableAccess } from "./requestable-access.js";

export interface OpenedSession {
  readonly principal: Principal;
  readonly target: Pick<Target, "id" | "name" | "labels">;
  readonly sessionId: string;
}

/** Whoever may give themselves access gets it with a session, for that session only. */
@Injectable()
export class SelfActivation {
  constructor(
    private readonly database: Database,
    private readonly live: LiveGrants,
    private readonly requestable: RequestableAccess,
    private readonly grants: GrantsRepository,
    private readonly acts: AccessActs,
  ) {}

  /** At session open, before anything is decided in it. Where a grant of the whole target is in force there is no other. */
  async activate(opened: OpenedSession): Promise<void> {
    const epoch = await readEpoch(this.database);
    const { principal, target, sessionId } = opened;
    const given = await this.requestable.givenAt(target, principal, epoch);
    const own = given.filter(({ access }) => access.activation === "self" && access.reason !== "required");
    if (own.length === 0) return;
    const now = this.acts.now();
    const holder = { principal: principal.id, targetId: target.id, sessionId };
    const inForce = (await this.live.atLeast(epoch)).value.of(holder, now);
    const missing = own.filter(
      ({ name }) => !inForce.some(({ policy, tools }) => policy === name && tools === undefined),
    );
    if (missing.length === 0) return;
    const started = await this.acts.perform(sessionId, async (transaction) => {
      const grants = missing.map((policy) => grantOf(opened, policy, now));
      const inserted = await this.grants.insertForSession(transaction, grants);
      for (const grant of inserted)
        await this.acts.ofGrant(transaction, "grant.started", grant, { by: BY_POLICY, groups: [] });
      return inserted;
    });
    for (const grant of started) await this.acts.awaitEndOfGrant(grant);
  }

  /** Ends what holds for the session only, approvals for the session among it. */
  async endOfSession(sessionId: string): Promise<void> {
    if (!(await this.grants.hasOfSession(sessionId))) return;
    await this.acts.perform(sessionId, async (transaction) => {
      for (const grant of await this.grants.endOfSession(transaction, sessionId, this.acts.now()))
        await this.acts.ofGrant(transaction, "grant.ended", grant, { by: BY_SYSTEM, groups: [] });
    });
  }
}

function grantOf({ principal, target, sessionId }: OpenedSession, policy: JitPolicy, now: Date): NewGrant {
  return {
    kind: "self",
    principal: principal.id,
    email: principal.email ?? null,
    targetId: target.id,
    targetName: target.name,
    tools: [],
    policy: policy.name,
    sessionId,
    startsAt: now,
    endsAt: new Date(now.getTime() + longestMs(termsOf(policy.access), "access")),
  };
}
