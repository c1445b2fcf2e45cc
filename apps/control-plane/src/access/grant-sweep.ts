import { Injectable } from "@nestjs/common";
import { AccessActs, BY_SYSTEM } from "./access-acts.js";
import { AccessRequestsRepository } from "./access-requests.repository.js";
import { GrantsRepository } from "./grants.repository.js";

const AT_ONCE = 500;

/** Grants whose time is over. */
@Injectable()
export class GrantSweep {
  constructor(
    private readonly grants: GrantsRepository,
    private readonly requests: AccessRequestsRepository,
    private readonly acts: AccessActs,
  ) {}

  async endOver(): Promise<void> {
    const now = this.acts.now();
    if (!(await this.grants.hasOver(now))) return;
    await this.acts.perform("grants that are over", async (transaction) => {
      for (const grant of await this.grants.endOver(transaction, now, AT_ONCE)) {
        const groups = grant.requestId ? await this.requests.groupsOf(transaction, grant.requestId) : [];
        await this.acts.ofGrant(transaction, "grant.ended", grant, { by: BY_SYSTEM, groups });
      }
    });
  }

  closedSessions(): Promise<string[]> {
    return this.grants.closedSessions(AT_ONCE);
  }
}
