import { Injectable } from "@nestjs/common";
import type { AccessRequestView, ExtendGrant } from "@drawbridge/contracts";
import { durationMs } from "@drawbridge/policy";
import type { Principal } from "../identity/index.js";
import { DomainError } from "../platform/errors.js";
import { AccessFiling } from "./access-filing.js";
import { grantIsOver } from "./grant-giving.js";
import { GrantReader } from "./grant-reader.js";
import type { StoredGrant } from "./grants.repository.js";
import { RequestReader } from "./request-reader.js";
import { RequestableAccess } from "./requestable-access.js";

/** More time for a grant: asked for and decided like the first, by what the policy says now. */
@Injectable()
export class GrantExtensions {
  constructor(
    private readonly grants: GrantReader,
    private readonly requestable: RequestableAccess,
    private readonly filing: AccessFiling,
    private readonly requests: RequestReader,
  ) {}

  /** @throws DomainError grant_not_found, not_permitted, grant_not_active, and as asking for access does */
  async ask(principal: Principal, id: string, asked: ExtendGrant): Promise<AccessRequestView> {
    const { grant } = await this.grants.visible(principal, id);
    if (grant.principal !== principal.id)
      throw new DomainError("not_permitted", "only who has a grant asks for more of it");
    if (!["active", "scheduled"].includes(this.grants.view(grant).state)) throw grantIsOver(id);
    requireForMoreThanASession(grant);
    const { target, policies } = await this.requestable.of(principal, grant.targetName);
    const policy = policies.find(({ name }) => name === grant.policy);
    if (!policy || target.id !== grant.targetId) {
      throw new DomainError(
        "access_not_requestable",
        `the policy ${grant.policy} gives you no access to ${grant.targetName} any more`,
      );
    }
    const ofEmergency = grant.kind === "break_glass";
    if (ofEmergency && !policy.access.review)
      throw invalid("nobody could agree to it: ask for access of its own (drawbridge request)");
    const request = await this.filing.file({
      kind: "extension",
      principal,
      target,
      policy,
      tools: grant.tools,
      reason: asked.reason,
      ticket: asked.ticket,
      durationMs: durationMs(asked.duration),
      grantId: grant.id,
      ofEmergency,
    });
    return this.requests.view(request);
  }
}

function requireForMoreThanASession({ kind }: StoredGrant): void {
  if (kind === "access" || kind === "break_glass") return;
  throw invalid("this grant is for one session: ask for access that lasts longer (drawbridge request)");
}

function invalid(message: string): DomainError {
  return new DomainError("access_request_invalid", message);
}
