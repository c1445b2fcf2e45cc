import { Injectable, Logger } from "@nestjs/common";
import { DomainError } from "../platform/errors.js";
import { missingOf, ReviewVotes } from "../reviews/index.js";
import { AccessActs } from "./access-acts.js";
import { AccessRequestsRepository, type StoredRequest } from "./access-requests.repository.js";
import { RequestTransitions } from "./request-transitions.js";

const AT_ONCE = 500;

/** What happens to requests that nobody decides in time. */
@Injectable()
export class RequestExpiry {
  private readonly logger = new Logger("access");

  constructor(
    private readonly requests: AccessRequestsRepository,
    private readonly votes: ReviewVotes,
    private readonly transitions: RequestTransitions,
    private readonly acts: AccessActs,
  ) {}

  /** As it stands now that the time may be over; nothing else need have acted on that. */
  async settled(request: StoredRequest): Promise<StoredRequest> {
    if (request.state !== "pending" || request.expiresAt > this.acts.now()) return request;
    await this.settle(request.id);
    return (await this.requests.find(request.id)) ?? request;
  }

  async settleAll(): Promise<void> {
    for (const id of await this.requests.due(this.acts.now(), AT_ONCE)) {
      try {
        await this.settle(id);
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        this.logger.error("what follows from the end of a request could not be done yet", { id, problem });
      }
    }
  }

  async settle(id: string): Promise<void> {
    const asked = await this.acts.perform(id, (transaction) => this.transitions.timeIsOver(transaction, id));
    if (asked?.state !== "pending") return;
    await this.acts.awaitEndOf(asked);
    await this.approveIfComplete(asked);
  }

  /** Whoever is asked now may have approved it before. */
  private async approveIfComplete({ id, terms }: StoredRequest): Promise<void> {
    const votes = (await this.votes.of(undefined, [id])).get(id) ?? [];
    const last = votes.findLast(({ verdict, counts }) => verdict === "approve" && counts);
    if (!last || missingOf(terms.from, votes).length > 0) return;
    try {
      const { grant } = await this.acts.perform(id, async (transaction) => {
        const request = await this.transitions.lockPending(transaction, id);
        return this.transitions.approve(transaction, request, { by: last.principal, comment: last.comment });
      });
      await this.acts.awaitEndOfGrant(grant);
    } catch (error) {
      // Somebody was faster, or nothing can come of it: those who are asked now say what becomes of it.
      if (!(error instanceof DomainError)) throw error;
    }
  }
}
