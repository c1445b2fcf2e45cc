import { Injectable } from "@nestjs/common";
import type { ApproveOperation } from "@drawbridge/contracts";
import type { Principal } from "../identity/index.js";
import { DomainError } from "../platform/errors.js";
import { type Act, ApprovalActs } from "./approval-acts.js";
import { ApprovalVotes, type Cast, requesterAbsent } from "./approval-votes.js";
import { ApprovalsRepository, type Edited, type StoredApproval } from "./approvals.repository.js";
import { ArgumentEdits } from "./argument-edits.js";
import { RepeatGrants } from "./repeat-grants.js";

/** A person approves a held operation; with the last one who must it may run. */
@Injectable()
export class Approving {
  constructor(
    private readonly repository: ApprovalsRepository,
    private readonly votes: ApprovalVotes,
    private readonly edits: ArgumentEdits,
    private readonly repeats: RepeatGrants,
    private readonly acts: ApprovalActs,
  ) {}

  /** @throws DomainError see ApprovalVotes.pendingFor and cast, and edit_invalid */
  async approve(voter: Principal, id: string, said: ApproveOperation): Promise<void> {
    const pending = await this.votes.pendingFor(voter, id, "approve");
    const edited = await this.editedBy(voter, pending, said);
    const { comment } = said;
    await this.votes.perform(async (act) => {
      const cast = await this.votes.cast(act, id, { voter, verdict: "approve", comment });
      if (edited) await this.edit(act, cast, edited);
      else checkSeen(cast, said);
      const sessionUses = usesOf(cast, said);
      if (cast.missing.length > 0) await this.repository.setSessionUses(act.transaction, id, sessionUses);
      else await this.decide(act, cast.approval, { by: voter.id, comment, sessionUses });
    });
  }

  private async editedBy(
    voter: Principal,
    pending: StoredApproval,
    { edits = {}, sessionUses }: ApproveOperation,
  ): Promise<Edited | undefined> {
    const wantsEdits = Object.keys(edits).length > 0;
    if (sessionUses !== undefined && (wantsEdits || pending.approvedDigest))
      throw editInvalid("an edited operation is approved for one run only: leave sessionUses out");
    return wantsEdits ? this.edits.prepare(pending, edits, voter) : undefined;
  }

  /** Whoever voted before voted on the operation as it was. */
  private async edit({ transaction }: Act, { approval, isFirst }: Cast, edited: Edited): Promise<void> {
    if (!isFirst || !(await this.repository.edit(transaction, approval.id, edited)))
      throw editInvalid("others have voted on it as it is: approve it so, or deny it and say what to change");
  }

  private async decide(
    act: Act,
    { id, presentUntil }: StoredApproval,
    decided: {
      readonly by: string;
      readonly comment: string | undefined;
      readonly sessionUses: number | undefined;
    },
  ): Promise<void> {
    const { transaction, now } = act;
    const approved = await this.repository.approve(transaction, id, { ...decided, now });
    // It was open a moment ago: only time has passed.
    if (!approved) throw presentUntil <= now ? requesterAbsent() : timeIsOver();
    const { by, comment, sessionUses } = decided;
    const details = {
      edited: approved.approvedDigest !== null,
      ...(sessionUses === undefined ? {} : { sessionUses }),
    };
    await this.acts.record(transaction, approved, { kind: "approval.approved", actor: by, comment, details });
    if (sessionUses !== undefined) await this.repeats.start(act, approved, sessionUses);
  }
}

/** Nobody agrees to what they have not looked at. */
function checkSeen({ approval }: Cast, { seen = "requested" }: ApproveOperation): void {
  const isEdited = approval.approvedDigest !== null;
  if (isEdited === (seen === "edited")) return;
  const message = isEdited
    ? "another approver has changed the arguments since: look at it again, and say with `seen` that it is the edited operation"
    : "nobody has changed its arguments: leave `seen` out";
  throw new DomainError("already_edited", message);
}

/** Only when everybody who approves says so, and the least that anybody says. Never of an operation that was edited. */
function usesOf({ approval, isFirst }: Cast, { sessionUses, edits }: ApproveOperation): number | undefined {
  if (sessionUses === undefined || approval.approvedDigest || edits) return undefined;
  if (isFirst) return sessionUses;
  return approval.sessionUses === null ? undefined : Math.min(approval.sessionUses, sessionUses);
}

function editInvalid(message: string): DomainError {
  return new DomainError("edit_invalid", message);
}

function timeIsOver(): DomainError {
  return new DomainError("already_decided", "the time to decide about it is over");
}
