import { Inject, Injectable } from "@nestjs/common";
import { CONFIG, type Config } from "../config.js";
import { Clock } from "../platform/clock.js";
import { missingOf, ReviewVotes, type StoredVote } from "../reviews/index.js";
import { ApprovalEndings } from "./approval-endings.js";
import type { ApprovalOwner, HeldApproval } from "./approvals.js";
import { ApprovalsRepository, isOpen, type StoredApproval } from "./approvals.repository.js";

/** Approvals as those hear of them who wait. */
@Injectable()
export class HeldApprovals {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly repository: ApprovalsRepository,
    private readonly votes: ReviewVotes,
    private readonly endings: ApprovalEndings,
    private readonly clock: Clock,
  ) {}

  async of(rows: readonly StoredApproval[]): Promise<readonly HeldApproval[]> {
    const votes = await this.votes.of(
      undefined,
      rows.filter(({ state }) => state === "pending").map(({ id }) => id),
    );
    return rows.map((row) => this.held(row, votes.get(row.id) ?? []));
  }

  async ofIds(ids: readonly string[]): Promise<readonly HeldApproval[]> {
    return this.of(await this.repository.byIds(ids));
  }

  /** Undefined for what is not the owner's. What is over by now has ended. */
  async ofOwner(
    row: StoredApproval | undefined,
    owner: Pick<ApprovalOwner, "principal" | "oauthClient">,
  ): Promise<HeldApproval | undefined> {
    if (row?.principal !== owner.principal || row.oauthClient !== owner.oauthClient) return undefined;
    if (isOpen(row) && row.expiresAt <= this.clock.now()) {
      await this.endings.expire(row.id);
      return (await this.ofIds([row.id]))[0];
    }
    return (await this.of([row]))[0];
  }

  private held(row: StoredApproval, votes: readonly StoredVote[]): HeldApproval {
    const { id, state, sessionId, exchange, expiresAt, review } = row;
    return {
      id,
      state,
      sessionId,
      exchange: Number(exchange),
      expiresAt,
      url: `${this.config.publicUrl}/approvals/${id}`,
      missing: state === "pending" ? missingOf(review.from, votes) : [],
      decidedBy: row.decidedBy ?? undefined,
      comment: row.comment ?? undefined,
      edited: row.approvedDigest !== null,
      endReason: row.endReason ?? undefined,
      createdAt: row.createdAt,
      stateSince: row.endedAt ?? row.decidedAt ?? row.createdAt,
    };
  }
}
