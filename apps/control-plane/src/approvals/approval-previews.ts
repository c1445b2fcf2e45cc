import { Injectable } from "@nestjs/common";
import type { ApprovalState } from "@drawbridge/contracts";
import { ApprovalsRepository } from "./approvals.repository.js";

/** What notifications tell of an approval beside its event. */
export interface ApprovalPreview {
  readonly state: ApprovalState;
  /** Of who asked. */
  readonly email: string | undefined;
  /** JSON of what would run, masked; with an approver's edits where there are any. */
  readonly preview: string;
}

/** Approvals for channels that an administrator has set up: whoever reads those may see previews. Asks nobody who they are. */
@Injectable()
export class ApprovalPreviews {
  constructor(private readonly repository: ApprovalsRepository) {}

  async of(id: string): Promise<ApprovalPreview | undefined> {
    const [approval] = await this.repository.list({ reader: undefined, id }, 1);
    const previews = await this.repository.previews(id);
    if (!approval || !previews) return undefined;
    const preview = Buffer.from(previews.editedPreview ?? previews.preview).toString("utf8");
    return { state: approval.state, email: approval.email ?? undefined, preview };
  }
}
