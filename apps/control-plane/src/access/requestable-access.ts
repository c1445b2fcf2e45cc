import { Injectable } from "@nestjs/common";
import { type Context, type JitPolicy, jitPolicies } from "@drawbridge/policy";
import type { Principal } from "../identity/index.js";
import { LiveLocks } from "../locks/index.js";
import { Clock } from "../platform/clock.js";
import { Database } from "../platform/database.js";
import { readEpoch } from "../platform/epoch-snapshot.js";
import { DomainError } from "../platform/errors.js";
import { LivePolicies } from "../policies/index.js";
import { LiveTargets, type Target } from "../targets/index.js";
import type { StoredRequest } from "./access-requests.repository.js";

/** Who asks; as of this token, or as of the one with which it was asked. */
export type Asking = Pick<Principal, "id" | "email" | "groups" | "client">;

/** Whom policies let ask for what, now. */
@Injectable()
export class RequestableAccess {
  constructor(
    private readonly database: Database,
    private readonly policies: LivePolicies,
    private readonly targets: LiveTargets,
    private readonly locks: LiveLocks,
    private readonly clock: Clock,
  ) {}

  /**
   * The target, and the policies under which this principal may ask for it; in the order of their names.
   * @throws DomainError access_not_requestable, of an unknown target as well; locked
   */
  async of(
    asking: Asking,
    targetName: string,
  ): Promise<{ readonly target: Target; readonly policies: readonly JitPolicy[] }> {
    const epoch = await readEpoch(this.database);
    const target = (await this.targets.atLeast(epoch)).value.get(targetName);
    const policies = target ? await this.givenAt(target, asking, epoch) : [];
    if (!target || policies.length === 0) {
      throw new DomainError(
        "access_not_requestable",
        `there is no access to ${targetName} that you may ask for: no policy for just-in-time access names both of you`,
      );
    }
    const lock = (await this.locks.atLeast(epoch)).value.on(
      { principal: asking.id, target: targetName },
      this.clock.now(),
    );
    if (lock) throw new DomainError("locked", `the ${lock.kind} is locked: ${lock.reason}`);
    return { target, policies };
  }

  /** Those whose rules a grant would open for them. */
  async givenAt(
    target: Pick<Target, "name" | "labels">,
    asking: Asking,
    epoch?: bigint,
  ): Promise<readonly JitPolicy[]> {
    const { value } = await this.policies.atLeast(epoch ?? (await readEpoch(this.database)));
    return jitPolicies(value, target, contextOf(asking, this.clock.now()));
  }

  /**
   * A grant under a policy that is gone would open nothing.
   * @throws DomainError access_not_requestable
   */
  async requireStillGiven(request: StoredRequest): Promise<void> {
    const { targetName, targetId, policy, principal, email, groups, oauthClient } = request;
    const epoch = await readEpoch(this.database);
    const target = (await this.targets.atLeast(epoch)).value.get(targetName);
    const asking = { id: principal, email: email ?? undefined, groups, client: oauthClient };
    const given = target?.id === targetId ? await this.givenAt(target, asking, epoch) : [];
    if (given.some(({ name }) => name === policy)) return;
    throw new DomainError(
      "access_not_requestable",
      `the policy ${policy} gives ${principal} no access to ${targetName} any more, so a grant would open nothing: deny the request`,
    );
  }
}

export function contextOf({ id, groups, email, client }: Asking, now: Date): Context {
  return {
    principal: { id, groups, email, emailVerified: email !== undefined },
    client: { id: client },
    now,
  };
}
