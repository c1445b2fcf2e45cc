import { isDeepStrictEqual } from "node:util";
import { Injectable, Logger } from "@nestjs/common";
import { automaticApproval } from "@drawbridge/policy";
import type { Transaction } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import type { Target } from "../targets/index.js";
import { AccessActs, BY_POLICY } from "./access-acts.js";
import {
  AccessRequestsRepository,
  type NewRequest,
  type StoredRequest,
} from "./access-requests.repository.js";
import { longestMs, reviewMs, termsOf } from "./access-terms.js";
import { checkAsked, type ToCheck } from "./check-asked.js";
import { contextOf } from "./requestable-access.js";
import { RequestTransitions } from "./request-transitions.js";
import type { StoredGrant } from "./grants.repository.js";

/** What is asked for, when it is known under which policy. */
export interface Asked extends ToCheck {
  readonly target: Pick<Target, "id" | "name" | "labels">;
  /** Globs; none is the whole target. */
  readonly tools: readonly string[];
  readonly ticket: string | undefined;
  /** Filed for the client in this session. */
  readonly sessionId?: string | undefined;
  /** What is to be extended. */
  readonly grantId?: string | undefined;
  /** It was taken in an emergency: without anybody's word it lasts no longer. */
  readonly ofEmergency?: boolean | undefined;
}

interface Filed {
  readonly request: StoredRequest;
  /** What came of it at once. */
  readonly grant?: StoredGrant;
}

const MAX_PENDING = 20;

/** Requests are written down; where nobody has to be asked, with what comes of them. */
@Injectable()
export class AccessFiling {
  private readonly logger = new Logger("access");

  constructor(
    private readonly requests: AccessRequestsRepository,
    private readonly transitions: RequestTransitions,
    private readonly acts: AccessActs,
  ) {}

  /**
   * `onPending`: what to do about the same one that waits already, of this principal.
   * @throws DomainError access_not_requestable, access_request_invalid, access_request_pending, too_many_requests_pending
   */
  async file(asked: Asked, onPending: "refuse" | "join" = "refuse"): Promise<StoredRequest> {
    checkAsked(asked, this.acts.now());
    const needsNobody = this.needsNobody(asked);
    const requester = asked.principal.id;
    const { request, grant } = await this.acts.perform(requester, async (transaction): Promise<Filed> => {
      await this.requests.lockRequester(transaction, requester);
      const pending = await this.requests.pendingOf(transaction, requester, this.acts.now());
      const same = pending.find((other) => isSame(other, asked));
      if (same && onPending === "join") return { request: same };
      if (same) throw isPending(same);
      if (pending.length >= MAX_PENDING) throw tooMany();
      return this.write(transaction, asked, needsNobody);
    });
    await (grant ? this.acts.awaitEndOfGrant(grant) : this.acts.awaitEndOf(request));
    return request;
  }

  private async write(transaction: Transaction, asked: Asked, needsNobody: boolean): Promise<Filed> {
    const request = await this.requests.insert(transaction, newRequest(asked, this.acts.now()));
    const by = asked.principal.id;
    if (!needsNobody) {
      await this.acts.ofRequest(transaction, "access_request.created", request, { by });
      return { request };
    }
    await this.acts.logRequest(transaction, request, by);
    return this.transitions.approve(transaction, request, {
      by: asked.kind === "break_glass" ? by : BY_POLICY,
    });
  }

  private needsNobody({
    kind,
    principal,
    policy,
    target,
    tools,
    reason,
    ticket,
    durationMs,
    startsAt,
    ofEmergency,
  }: Asked): boolean {
    if (kind === "break_glass") return true;
    if (ofEmergency) return false;
    if (policy.access.activation === "self") return true;
    // A condition that holds now, such as being on call, need not hold then.
    if (startsAt) return false;
    const now = this.acts.now();
    const durationSeconds = (durationMs ?? longestMs(termsOf(policy.access), kind)) / 1_000;
    const request = { kind, durationSeconds, reason, ticket, tools };
    const question = { ...contextOf(principal, now), target, request, now };
    return automaticApproval(policy.access, question, (problem) =>
      this.logger.warn("a condition for automatic approval could not be decided: people are asked", {
        policy: policy.name,
        problem,
      }),
    );
  }
}

function newRequest(asked: Asked, now: Date): NewRequest {
  const { kind, principal, target, policy, tools, reason, ticket, durationMs } = asked;
  const terms = termsOf(policy.access);
  return {
    kind,
    principal: principal.id,
    email: principal.email ?? null,
    identities: [...principal.identities],
    groups: principal.groups.filter(isStorable),
    oauthClient: principal.client,
    targetId: target.id,
    targetName: target.name,
    tools: [...tools],
    policy: policy.name,
    policyVersion: policy.version,
    terms,
    reason: reason ?? null,
    ticket: ticket ?? null,
    durationMs: durationMs ?? longestMs(terms, kind),
    startsAt: asked.startsAt ?? null,
    sessionId: asked.sessionId ?? null,
    grantId: asked.grantId ?? null,
    createdAt: now,
    expiresAt: new Date(now.getTime() + reviewMs(terms)),
  };
}

/** Postgres keeps no NUL, and no group that a policy names has one. */
function isStorable(group: string): boolean {
  return !group.includes("\0");
}

function isSame(request: StoredRequest, { kind, target, policy, tools, grantId }: Asked): boolean {
  return (
    request.kind === kind &&
    request.targetId === target.id &&
    request.policy === policy.name &&
    request.grantId === (grantId ?? null) &&
    isDeepStrictEqual(new Set(request.tools), new Set(tools))
  );
}

function isPending({ id, expiresAt }: StoredRequest): DomainError {
  return new DomainError(
    "access_request_pending",
    `you have asked for this already: access request ${id} waits until ${expiresAt.toISOString()}`,
  );
}

function tooMany(): DomainError {
  return new DomainError(
    "too_many_requests_pending",
    `you have ${MAX_PENDING} requests that wait: withdraw some, or wait until they are decided`,
  );
}
