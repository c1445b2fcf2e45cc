import { Injectable } from "@nestjs/common";
import { type ApprovalPreview, ApprovalPreviews, Denials } from "../approvals/index.js";
import type { Principal } from "../identity/index.js";

/** What notifications need of approvals. */
@Injectable()
export class NotifiedApprovals {
  constructor(
    private readonly previews: ApprovalPreviews,
    private readonly denials: Denials,
  ) {}

  of(id: string): Promise<ApprovalPreview | undefined> {
    return this.previews.of(id);
  }

  /** With all that is asked of whoever denies through the API. @throws DomainError */
  deny(principal: Principal, id: string, comment: string): Promise<void> {
    return this.denials.deny(principal, id, comment);
  }
}
