import { Injectable } from "@nestjs/common";
import { isSamePerson, type Principal } from "../identity/index.js";
import { Clock } from "../platform/clock.js";
import type { Transaction } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import { type LastSeen, SeenPrincipals } from "../policies/index.js";
import { ReviewVotesRepository, type StoredVoteRow } from "./review-votes.repository.js";

export type Verdict = "approve" | "deny";

/** What one person said of an approval or an access request. */
export interface StoredVote {
  readonly principal: string;
  readonly identities: readonly string[];
  /** Those of the token they voted with that they had not lost when they were seen last. */
  readonly groups: readonly string[];
  readonly verdict: Verdict;
  readonly comment: string | undefined;
  readonly at: Date;
  /** False while its person is locked. */
  readonly counts: boolean;
}

export interface NewVote {
  readonly verdict: Verdict;
  readonly comment?: string | undefined;
  /** Principal.identities of who asked. */
  readonly requester: readonly string[];
}

/** Of Principal.identities those that are accounts. */
const ACCOUNT = "sub:";

/** The votes on approvals and access requests. A person has one, however many accounts and groups. */
@Injectable()
export class ReviewVotes {
  constructor(
    private readonly repository: ReviewVotesRepository,
    private readonly seen: SeenPrincipals,
    private readonly clock: Clock,
  ) {}

  /**
   * To be called while the row of the subject is locked by `transaction`, so that no two accounts of a person vote at once.
   * @throws DomainError own_request, already_voted
   */
  async add(
    transaction: Transaction,
    subjectId: string,
    voter: Principal,
    { verdict, comment, requester }: NewVote,
  ): Promise<void> {
    const identities = await this.requireSomebodyElse(transaction, voter, requester);
    const before = await this.repository.of(transaction, [subjectId]);
    if (before.some((vote) => isSamePerson(vote.identities, identities)))
      throw new DomainError("already_voted", "you have voted on this already; a person has one vote");
    const { id: principal, client, email, groups } = voter;
    await this.repository.insert(transaction, {
      subjectId,
      principal,
      identities,
      groups: [...groups],
      verdict,
      comment: comment ?? null,
      at: this.clock.now(),
    });
    // Without a token in force, as from Slack, the groups are those of before: nobody has seen them now.
    if (voter.expiresAt > this.clock.now())
      this.seen.seen({ principal, client, email, groups, identities: voter.identities });
  }

  /**
   * Also by what other tokens of the same accounts have said of their person: one for an MCP client may say less than one
   * for the API, and of who presses a button in Slack there is none. All by which this person is known.
   * @throws DomainError own_request
   */
  async requireSomebodyElse(
    transaction: Transaction,
    { identities }: Pick<Principal, "identities">,
    requester: readonly string[],
  ): Promise<string[]> {
    const known = await this.knownAs(transaction, identities);
    if (isSamePerson(known, await this.knownAs(transaction, requester)))
      throw new DomainError("own_request", "nobody decides about what they asked for themselves");
    return known;
  }

  private async knownAs(transaction: Transaction, identities: readonly string[]): Promise<string[]> {
    const accounts = identities.filter((identity) => identity.startsWith(ACCOUNT));
    const others = await this.seen.knownAs(
      accounts.map((account) => account.slice(ACCOUNT.length)),
      transaction,
    );
    return [...new Set([...identities, ...others])];
  }

  /**
   * By subject, in the order in which they were cast; none for a subject nobody voted on. All is read by `transaction`:
   * those that hold rows and wait for another connection, beside those that wait for the rows, would wait for ever.
   */
  async of(
    transaction: Transaction | undefined,
    subjectIds: readonly string[],
  ): Promise<ReadonlyMap<string, readonly StoredVote[]>> {
    if (subjectIds.length === 0) return new Map();
    const rows = await this.repository.of(transaction, subjectIds);
    if (rows.length === 0) return new Map();
    const voters = [...new Set(rows.map(({ principal }) => principal))];
    const locked = await this.repository.lockedOf(transaction, voters, this.clock.now());
    const lastSeen = await this.seen.lastSeen(voters, transaction);
    const bySubject = new Map<string, StoredVote[]>();
    for (const row of rows) {
      const votes = bySubject.get(row.subjectId) ?? [];
      bySubject.set(row.subjectId, votes);
      votes.push(voteOf(row, { locked, lastSeen }));
    }
    return bySubject;
  }
}

interface KnownSince {
  readonly locked: ReadonlySet<string>;
  readonly lastSeen: LastSeen;
}

/** Whoever has lost a group since they voted does not count for it any more. */
function voteOf(row: StoredVoteRow, { locked, lastSeen }: KnownSince): StoredVote {
  const { principal, identities, groups, verdict, comment, at } = row;
  const seen = lastSeen.get(principal);
  return {
    principal,
    identities,
    groups: seen && seen.at > at ? groups.filter((group) => seen.groups.includes(group)) : groups,
    verdict: verdict as Verdict,
    comment: comment ?? undefined,
    at,
    counts: !locked.has(principal),
  };
}
