import type { ApprovalState } from "@drawbridge/contracts";
import type { Principal } from "../identity/index.js";

/** What notifications tell of an approval beside its event. */
export interface NotifiedApproval {
  readonly state: ApprovalState;
  /** JSON of the parameters, masked; with an approver's edits where there are any. */
  readonly preview: string;
  /** Of who asked. */
  readonly email: string | undefined;
}

/** What notifications need of approvals. */
export abstract class NotifiedApprovals {
  abstract of(id: string): Promise<NotifiedApproval | undefined>;

  /** With all that is asked of whoever denies through the API. @throws DomainError */
  abstract deny(principal: Principal, id: string, comment: string): Promise<void>;
}
