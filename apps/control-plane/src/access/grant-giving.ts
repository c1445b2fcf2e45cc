import { Injectable } from "@nestjs/common";
import type { Transaction } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import { AccessActs, type Acting, BY_POLICY } from "./access-acts.js";
import type { StoredRequest } from "./access-requests.repository.js";
import { LONGEST_ACCESS_MS, longestMs } from "./access-terms.js";
import { GrantsRepository, type StoredGrant } from "./grants.repository.js";

/** All of them are in memory everywhere, and looked through at every call of their holder. */
const MAX_GRANTS = 100;

/** What comes of a request that is approved. */
@Injectable()
export class GrantGiving {
  constructor(
    private readonly grants: GrantsRepository,
    private readonly acts: AccessActs,
  ) {}

  /**
   * To be called while the request is locked by `transaction`.
   * @throws DomainError too_many_requests_pending; of an extension grant_not_active, access_request_invalid
   */
  async give(transaction: Transaction, request: StoredRequest, acting: Acting): Promise<StoredGrant> {
    const now = this.acts.now();
    const isExtension = request.kind === "extension";
    const grant = isExtension
      ? await this.extend(transaction, request, { now, byPolicy: acting.by === BY_POLICY })
      : await this.start(transaction, request, now);
    const act = request.kind === "break_glass" ? "break_glass.used" : "grant.started";
    if (!isExtension)
      await this.acts.ofGrant(transaction, act, grant, { ...acting, groups: request.terms.groups });
    return grant;
  }

  private async start(transaction: Transaction, request: StoredRequest, now: Date): Promise<StoredGrant> {
    const { kind, principal, email, targetId, targetName, tools, policy, reason, ticket, terms } = request;
    if ((await this.grants.countOf(transaction, principal, now)) >= MAX_GRANTS) {
      throw new DomainError(
        "too_many_requests_pending",
        `${principal} has ${MAX_GRANTS} grants: return some that are not needed`,
      );
    }
    const startsAt = request.startsAt && request.startsAt > now ? request.startsAt : now;
    const lasts = Math.min(request.durationMs, longestMs(terms, kind));
    return this.grants.insert(transaction, {
      kind: kind === "break_glass" ? "break_glass" : "access",
      requestId: request.id,
      principal,
      email,
      targetId,
      targetName,
      tools,
      policy,
      reason,
      ticket,
      ...(kind === "break_glass" ? { reviewState: "open" as const } : {}),
      startsAt,
      endsAt: new Date(startsAt.getTime() + lasts),
    });
  }

  private async extend(
    transaction: Transaction,
    { grantId, terms, durationMs }: StoredRequest,
    { now, byPolicy }: { readonly now: Date; readonly byPolicy: boolean },
  ): Promise<StoredGrant> {
    const grant = grantId === null ? undefined : await this.grants.lock(transaction, grantId);
    if (!grant || grant.state !== "active" || grant.endsAt <= now) throw grantIsOver(grantId);
    const longest = longestMs(terms, "extension");
    const wanted = grant.endsAt.getTime() + Math.min(durationMs, longest);
    // Where nobody is asked, a chain of extensions must not undo the policy's maximum.
    const latest = byPolicy ? now.getTime() + longest : Infinity;
    const endsAt = new Date(Math.min(wanted, latest, grant.startsAt.getTime() + LONGEST_ACCESS_MS));
    const extended = await this.grants.extend(transaction, grant.id, { endsAt, now });
    if (extended) return extended;
    throw new DomainError(
      "access_request_invalid",
      `the grant lasts until ${grant.endsAt.toISOString()}, and cannot last longer: ask for access again towards its end`,
    );
  }
}

export function grantIsOver(id: string | null): DomainError {
  return new DomainError("grant_not_active", `the grant ${id} is over: ask for access again`);
}
