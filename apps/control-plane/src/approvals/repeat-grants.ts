import { Injectable } from "@nestjs/common";
import type { EventKind } from "@drawbridge/contracts";
import { AuditLog } from "../audit/index.js";
import { EventLog } from "../events/index.js";
import type { Act } from "./approval-acts.js";
import type { StoredApproval } from "./approvals.repository.js";
import { type Repeat, type RepeatGrant, RepeatGrantsRepository } from "./repeat-grants.repository.js";

/** No session lasts longer. */
const SESSION_CAP_MS = 12 * 3_600_000;

type GrantEvent = Extract<EventKind, "grant.started" | "grant.ended" | "grant.revoked">;

/** An approval that holds for the session: a grant with so many uses of the same digest, never a standing rule. */
@Injectable()
export class RepeatGrants {
  constructor(
    private readonly repository: RepeatGrantsRepository,
    private readonly audit: AuditLog,
    private readonly events: EventLog,
  ) {}

  usable(repeat: Repeat): Promise<RepeatGrant[]> {
    return this.repository.usable(repeat);
  }

  /** How many uses are left after this one; undefined when it is not to be had. */
  use(id: string, at: { readonly epoch: bigint; readonly now: Date }): Promise<number | undefined> {
    return this.repository.use(id, at);
  }

  async start({ transaction, now }: Act, approval: StoredApproval, uses: number): Promise<void> {
    const endsAt = new Date(now.getTime() + SESSION_CAP_MS);
    const id = await this.repository.insert(transaction, approval, { uses, now, endsAt });
    await this.record({ transaction, now }, approval, {
      id,
      kind: "grant.started",
      actor: approval.decidedBy,
    });
  }

  /** All of one approval. */
  async end(
    { transaction, now }: Act,
    approval: StoredApproval,
    {
      state,
      actor,
      reason,
    }: { readonly state: "ended" | "revoked"; readonly actor: string; readonly reason: string },
  ): Promise<void> {
    const ended = await this.repository.end(transaction, approval.id, { state, by: actor, reason, now });
    for (const id of ended)
      await this.record({ transaction, now }, approval, { id, kind: `grant.${state}`, actor });
  }

  private async record(
    { transaction }: Act,
    { id: approval, principal, targetName, policy, sessionId, review }: StoredApproval,
    { id, kind, actor }: { readonly id: string; readonly kind: GrantEvent; readonly actor: string | null },
  ): Promise<void> {
    const by = actor ?? "system";
    const details = { principal, target: targetName, policy, session: sessionId, approval, kind: "repeat" };
    await this.audit.record(transaction, { actor: by, action: kind, subject: id, details });
    const groups = review.from.map(({ group }) => group);
    const audience = { principals: [principal], groups, permission: "access:read_all" } as const;
    await this.events.append(transaction, { kind, subject: id, audience, data: { ...details, by } });
  }
}
