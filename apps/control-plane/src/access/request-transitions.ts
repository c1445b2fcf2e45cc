import { Injectable } from "@nestjs/common";
import type { Transaction } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import { AccessActs, type Acting, BY_POLICY, BY_SYSTEM } from "./access-acts.js";
import {
  AccessRequestsRepository,
  type RequestState,
  type StoredRequest,
} from "./access-requests.repository.js";
import { escalated, reviewMs } from "./access-terms.js";
import { GrantGiving } from "./grant-giving.js";
import type { StoredGrant } from "./grants.repository.js";

export interface Approved {
  readonly request: StoredRequest;
  readonly grant: StoredGrant;
}

/**
 * ```text
 *            ┌─ approved   every place of the review is taken; or by the policy, when it is made
 *            ├─ denied     by one reviewer
 *  pending ──┼─ withdrawn  by who asked
 *            ├─ expired    nobody decided in time
 *            └─ pending    the same, but others are asked: once
 * ```
 * Each is one conditional update: who comes second finds it decided.
 */
@Injectable()
export class RequestTransitions {
  constructor(
    private readonly requests: AccessRequestsRepository,
    private readonly giving: GrantGiving,
    private readonly acts: AccessActs,
  ) {}

  /** Nobody else decides until the transaction is over. @throws DomainError already_decided */
  async lockPending(transaction: Transaction, id: string): Promise<StoredRequest> {
    const request = await this.requests.lock(transaction, id);
    if (!request) throw new DomainError("access_request_not_found", `there is no access request ${id}`);
    if (request.state !== "pending") throw isDecided(request);
    if (request.expiresAt <= this.acts.now()) throw isDecided({ ...request, state: "expired" });
    return request;
  }

  /** @throws DomainError as GrantGiving.give does, too */
  async approve(transaction: Transaction, request: StoredRequest, acting: Acting): Promise<Approved> {
    const grant = await this.giving.give(transaction, request, acting);
    const by = request.kind === "break_glass" ? BY_POLICY : acting.by;
    const decision = { ...acting, by, state: "approved" as const, grantId: grant.id };
    const approved = await this.decide(transaction, request, decision);
    return { request: approved, grant };
  }

  deny(transaction: Transaction, request: StoredRequest, acting: Acting): Promise<StoredRequest> {
    return this.decide(transaction, request, { ...acting, state: "denied" });
  }

  withdraw(transaction: Transaction, request: StoredRequest, acting: Acting): Promise<StoredRequest> {
    return this.decide(transaction, request, { ...acting, state: "withdrawn" });
  }

  /** For a request whose time is over: others are asked, or it expires. Undefined when somebody was faster. */
  async timeIsOver(transaction: Transaction, id: string): Promise<StoredRequest | undefined> {
    const now = this.acts.now();
    const request = await this.requests.lock(transaction, id);
    if (request?.state !== "pending" || request.expiresAt > now) return undefined;
    const terms = request.escalatedAt === null ? escalated(request.terms) : undefined;
    const acting = { by: BY_SYSTEM };
    if (!terms) return this.decide(transaction, request, { ...acting, state: "expired" });
    const expiresAt = new Date(now.getTime() + reviewMs(terms));
    const asked = await this.requests.escalate(transaction, id, { terms, now, expiresAt });
    if (asked) await this.acts.ofRequest(transaction, "access_request.escalated", asked, acting);
    return asked;
  }

  private async decide(
    transaction: Transaction,
    request: StoredRequest,
    decision: Acting & { readonly state: Exclude<RequestState, "pending">; readonly grantId?: string },
  ): Promise<StoredRequest> {
    const decided = await this.requests.decide(transaction, request.id, {
      ...decision,
      now: this.acts.now(),
    });
    if (!decided) throw isDecided(request);
    const { state, by, comment } = decision;
    // Breaking the glass is told of by itself.
    if (request.kind !== "break_glass")
      await this.acts.ofRequest(transaction, `access_request.${state}`, decided, { by, comment });
    return decided;
  }
}

function isDecided({ id, state }: Pick<StoredRequest, "id" | "state">): DomainError {
  return new DomainError("already_decided", `access request ${id} waits for nobody any more: it is ${state}`);
}
