import { randomUUIDv7 } from "node:crypto";
import { Injectable } from "@nestjs/common";
import { durationMs } from "@drawbridge/policy";
import { DomainError } from "../platform/errors.js";
import { ApprovalActs } from "./approval-acts.js";
import { ApprovalEndings } from "./approval-endings.js";
import type { ApprovalOwner, HeldApproval, OperationToHold } from "./approvals.js";
import { ApprovalsRepository, type NewLeg, type StoredApproval } from "./approvals.repository.js";
import { PRESENT_MS } from "./caller-presence.js";
import { HeldApprovals } from "./held-approvals.js";
import { type DigestedOperation, OperationSeal } from "./operation-seal.js";

/** A caller that comes back so much later is told how it ended; after that the same is a new wish. */
const TOLD_WITHIN_MS = 3_600_000;
/** Of one principal, open at one time. */
const MOST_OPEN = 100;
/** What was open may have ended, and the same been held by another leg, between two statements: more often than this it has not. */
const ATTEMPTS = 5;

type Wanted = NewLeg & { readonly operation: OperationToHold };

/** Makes an operation wait for an approval, durably, before anybody hears of it; and finds it again for its caller. */
@Injectable()
export class OperationHolding {
  constructor(
    private readonly repository: ApprovalsRepository,
    private readonly held: HeldApprovals,
    private readonly seal: OperationSeal,
    private readonly acts: ApprovalActs,
    private readonly endings: ApprovalEndings,
  ) {}

  digestOf(operation: DigestedOperation): Uint8Array<ArrayBuffer> {
    return this.seal.digestOf(operation);
  }

  async find(id: string, owner: ApprovalOwner): Promise<HeldApproval | undefined> {
    const [row] = await this.repository.byIds([id]);
    return row?.sessionId === owner.sessionId ? this.held.ofOwner(row, owner) : undefined;
  }

  async ofTask(
    taskId: string,
    targetId: string,
    owner: Omit<ApprovalOwner, "sessionId">,
  ): Promise<HeldApproval | undefined> {
    const row = await this.repository.byTask(this.seal.taskHash(taskId));
    return row?.targetId === targetId ? this.held.ofOwner(row, owner) : undefined;
  }

  async ofExchange(sessionId: string, exchange: number): Promise<HeldApproval | undefined> {
    const row = await this.repository.byExchange(sessionId, exchange);
    return row && (await this.held.of([row]))[0];
  }

  openExchanges(): Promise<readonly { readonly sessionId: string; readonly exchange: number }[]> {
    return this.repository.openExchanges();
  }

  /** See Approvals.hold. */
  async hold(operation: OperationToHold): Promise<HeldApproval> {
    const { sessionId, principal, exchange, taskId } = operation;
    const wanted: Wanted = {
      operation,
      owner: { sessionId, principal: principal.id, oauthClient: principal.client },
      digest: this.seal.digestOf(operation),
      exchange,
      taskHash: taskId === undefined ? undefined : this.seal.taskHash(taskId),
      presentUntil: new Date(this.acts.now().getTime() + PRESENT_MS),
    };
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const row = await this.take(wanted);
      const [held] = row ? await this.held.of([row]) : [];
      if (held) return held;
    }
    throw new DomainError(
      "too_many_requests_pending",
      `${MOST_OPEN} of your operations wait for an approval already; wait for some of them to be decided`,
    );
  }

  /** The open one, one that ended untold, or a new one. Undefined when something came in between, or there are too many. */
  private async take(wanted: Wanted): Promise<StoredApproval | undefined> {
    // Most are held for the first time.
    if (!(await this.repository.isKnown(wanted))) return this.insert(wanted);
    const now = this.acts.now();
    const joined = await this.repository.join(wanted, now);
    if (joined) return joined;
    const over = await this.repository.openOf(wanted);
    // Who left and comes back asks anew.
    if (over && over.presentUntil <= now) await this.endings.abandon(over.id);
    else if (over) {
      await this.endings.expire(over.id);
      const escalated = await this.repository.join(wanted, now);
      if (escalated) return escalated;
    }
    const since = new Date(now.getTime() - TOLD_WITHIN_MS);
    return (await this.repository.untoldOf(wanted, since)) ?? (await this.insert(wanted));
  }

  private async insert(wanted: Wanted): Promise<StoredApproval | undefined> {
    const { operation } = wanted;
    const { message, principal, target, decision } = operation;
    const { policy, version, rule, reason, review } = decision;
    const id = randomUUIDv7();
    const approval = {
      ...wanted,
      id,
      email: principal.email,
      identities: principal.identities,
      target,
      method: message.method,
      // Of a resource it is an address, which may hold a secret.
      name: message.name === undefined ? undefined : this.acts.short(message.name),
      sealed: this.sealed(id, operation),
      preview: Uint8Array.from(operation.preview),
      policy,
      policyVersion: version,
      rule,
      reason,
      review,
    };
    const inserted = await this.acts.perform(async ({ transaction, now }) => {
      const expiresAt = new Date(now.getTime() + durationMs(review.expiresIn));
      const row = await this.repository.insert(
        transaction,
        { ...approval, expiresAt },
        { now, mostOpen: MOST_OPEN },
      );
      if (row) await this.acts.record(transaction, row, { kind: "approval.requested", actor: principal.id });
      return row && { row, now };
    });
    if (inserted) await this.endings.expireLater(inserted.row, inserted.now);
    return inserted?.row;
  }

  private sealed(id: string, operation: OperationToHold): Uint8Array<ArrayBuffer> {
    const { message, parameterHeaders, toolDigest, principal, clientName } = operation;
    const { email, groups, identities, client } = principal;
    return this.seal.seal(id, {
      message: message.bytes,
      parameterHeaders,
      toolDigest,
      principal: { id: principal.id, email, groups, identities, client },
      clientName,
      changed: [],
    });
  }
}
