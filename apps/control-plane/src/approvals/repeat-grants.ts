import { Injectable } from "@nestjs/common";
import type { EventKind } from "@drawbridge/contracts";
import { type McpRequest, parseMessage } from "@drawbridge/mcp";
import { AuditLog } from "../audit/index.js";
import { EventLog } from "../events/index.js";
import type { Transaction } from "../platform/database.js";
import type { Act } from "./approval-acts.js";
import type { OperationToHold } from "./approvals.js";
import { ApprovalsRepository, type StoredApproval } from "./approvals.repository.js";
import { OperationSeal } from "./operation-seal.js";
import { type RepeatGrant, RepeatGrantsRepository } from "./repeat-grants.repository.js";

/** No session lasts longer. */
const SESSION_CAP_MS = 12 * 3_600_000;

type GrantEvent = Extract<EventKind, "grant.started" | "grant.ended" | "grant.revoked">;

/** An approval that holds for the session: a grant with so many uses of the same digest, never a standing rule. */
@Injectable()
export class RepeatGrants {
  constructor(
    private readonly repository: RepeatGrantsRepository,
    private readonly approvals: ApprovalsRepository,
    private readonly seal: OperationSeal,
    private readonly audit: AuditLog,
    private readonly events: EventLog,
  ) {}

  usable(operation: OperationToHold, now: Date): Promise<RepeatGrant[]> {
    const { sessionId, principal } = operation;
    const digest = this.seal.repeatDigestOf(operation);
    return this.repository.usable({ sessionId, principal: principal.id, digest, now });
  }

  /** How many uses are left after this one; undefined when it is not to be had. */
  use(id: string, at: { readonly epoch: bigint; readonly now: Date }): Promise<number | undefined> {
    return this.repository.use(id, at);
  }

  /** Whether it was only for the epoch that a use was not to be had. */
  isOfAnotherEpoch(id: string, at: { readonly epoch: bigint; readonly now: Date }): Promise<boolean> {
    return this.repository.isOfAnotherEpoch(id, at);
  }

  async start({ transaction, now }: Act, approval: StoredApproval, uses: number): Promise<void> {
    const endsAt = new Date(now.getTime() + SESSION_CAP_MS);
    const digest = await this.digestOf(transaction, approval);
    const id = await this.repository.insert(transaction, approval, { digest, uses, now, endsAt });
    await this.record({ transaction, now }, approval, {
      id,
      kind: "grant.started",
      actor: approval.decidedBy,
    });
  }

  private async digestOf(transaction: Transaction, { id, targetId, targetName }: StoredApproval) {
    const sealed = await this.approvals.sealed(id, transaction);
    if (!sealed) throw new Error("what is approved has a sealed operation");
    const operation = this.seal.open(id, sealed);
    const message = parseMessage(operation.message) as McpRequest;
    return this.seal.repeatDigestOf({ ...operation, message, target: { id: targetId, name: targetName } });
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
