import { Injectable } from "@nestjs/common";
import type { EventKind } from "@drawbridge/contracts";
import { createMasker } from "@drawbridge/masking";
import { type AuditAction, AuditLog } from "../audit/index.js";
import { EventLog } from "../events/index.js";
import { Clock } from "../platform/clock.js";
import { Database, type Transaction } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import { Jobs } from "../platform/jobs.js";
import { Turns } from "../platform/turns.js";
import type { StoredRequest } from "./access-requests.repository.js";
import type { StoredGrant } from "./grants.repository.js";

/** What happened to a request or a grant: the audit log and the live events call it the same. */
export type AccessAct = AuditAction & EventKind;

/** What nobody had to be asked about. */
export const BY_POLICY = "policy";
/** What time does. */
export const BY_SYSTEM = "system";

export interface Acting {
  /** A principal, BY_POLICY or BY_SYSTEM. */
  readonly by: string;
  /** What they said of it. */
  readonly comment?: string | undefined;
}

/** The jobs that act in time; what they are about is found in the database. */
export const REQUEST_DUE = "access-request-due";
export const GRANT_OVER = "access-grant-over";

/** Of a text, in events. */
const SHOWN = 500;
/** Acts on the same request or grant that are under way or wait. */
const MOST_ABOUT_ONE = 100;

/** Acts on requests and grants: each is told of in the transaction in which it happens. */
@Injectable()
export class AccessActs {
  // Events go to chat and e-mail, and audit events to every auditor.
  private readonly masker = createMasker();
  private readonly turns = new Turns({ atOnce: 1, most: MOST_ABOUT_ONE, tooMany });

  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly events: EventLog,
    private readonly clock: Clock,
    private readonly jobs: Jobs,
  ) {}

  now(): Date {
    return this.clock.now();
  }

  /** The whole act, told afterwards to who watches. About one `subject` there is one at a time. */
  async perform<Result>(
    subject: string,
    act: (transaction: Transaction) => Promise<Result>,
  ): Promise<Result> {
    const result = await this.turns.of(subject, () => this.database.transaction(act));
    await this.events.announce();
    return result;
  }

  /** What is to happen when the time of a request that waits is over happens then. */
  async awaitEndOf({ id, expiresAt }: StoredRequest): Promise<void> {
    await this.jobs.later(REQUEST_DUE, id, expiresAt.getTime() - this.now().getTime());
  }

  /** And that of a grant. */
  async awaitEndOfGrant({ id, endsAt }: StoredGrant): Promise<void> {
    await this.jobs.later(GRANT_OVER, id, endsAt.getTime() - this.now().getTime());
  }

  async ofRequest(
    transaction: Transaction,
    act: AccessAct,
    request: StoredRequest,
    acting: Acting,
  ): Promise<void> {
    const { id, principal, terms } = request;
    const details = { ...this.detailsOf(request), ...this.said(acting) };
    await this.audit.record(transaction, { actor: acting.by, action: act, subject: id, details });
    await this.tell(transaction, { act, subject: id, principal, groups: terms.groups }, details);
  }

  /** `groups` were asked about it, and may see it. */
  async ofGrant(
    transaction: Transaction,
    act: AccessAct,
    grant: StoredGrant,
    { groups, ...acting }: Acting & { readonly groups: readonly string[] },
  ): Promise<void> {
    const { id, principal } = grant;
    const details = { ...this.detailsOfGrant(grant), ...this.said(acting) };
    await this.audit.record(transaction, { actor: acting.by, action: act, subject: id, details });
    await this.tell(transaction, { act, subject: id, principal, groups }, details);
  }

  /** Nobody waits for somebody's word on what is decided when it is asked for: only the log hears of it. */
  async logRequest(transaction: Transaction, request: StoredRequest, by: string): Promise<void> {
    const details = this.detailsOf(request);
    await this.audit.record(transaction, {
      actor: by,
      action: "access_request.created",
      subject: request.id,
      details,
    });
  }

  private async tell(
    transaction: Transaction,
    { act, subject, principal, groups }: Told,
    data: Details,
  ): Promise<void> {
    const audience = { principals: [principal], groups, permission: "access:read_all" as const };
    await this.events.append(transaction, { kind: act, subject, data, audience });
  }

  private detailsOf(request: StoredRequest): Details {
    const { kind, state, principal, email, targetName, tools, policy, policyVersion, terms } = request;
    return present({
      kind,
      state,
      principal,
      email,
      target: targetName,
      tools: this.shown(tools.join(", ")),
      policy,
      policyVersion,
      durationSeconds: request.durationMs / 1_000,
      reason: this.shown(request.reason),
      ticket: this.shown(request.ticket),
      startsAt: request.startsAt?.toISOString(),
      expiresAt: request.expiresAt.toISOString(),
      reviewers: terms.from.map(({ group, count }) => `${count} of ${group}`).join(", "),
      grantId: request.grantId,
    });
  }

  private detailsOfGrant(grant: StoredGrant): Details {
    const { kind, principal, email, targetName, tools, policy, startsAt, endsAt } = grant;
    return present({
      kind,
      principal,
      email,
      target: targetName,
      tools: this.shown(tools.join(", ")),
      policy,
      requestId: grant.requestId,
      sessionId: grant.sessionId,
      reason: this.shown(grant.reason),
      ticket: this.shown(grant.ticket),
      startsAt: startsAt.toISOString(),
      endsAt: endsAt.toISOString(),
      reviewState: grant.reviewState,
    });
  }

  private said({ by, comment }: Acting): Details {
    return present({ by, comment: this.shown(comment) });
  }

  private shown(text: string | null | undefined): string | undefined {
    if (!text) return undefined;
    try {
      // Masked before it is cut: half a secret is not known for one.
      const masked = this.masker.maskText(text).text;
      return masked.length > SHOWN ? `${masked.slice(0, SHOWN).toWellFormed()}…` : masked;
    } catch {
      return "[not shown]";
    }
  }
}

type Details = Readonly<Record<string, string | number>>;

interface Told {
  readonly act: AccessAct;
  readonly subject: string;
  readonly principal: string;
  readonly groups: readonly string[];
}

function tooMany(): DomainError {
  return new DomainError(
    "too_many_requests_pending",
    "too many ask for the same at once: try again in a moment",
  );
}

function present(details: Readonly<Record<string, string | number | null | undefined>>): Details {
  const known = Object.entries(details).filter(
    (entry): entry is [string, string | number] => typeof entry[1] === "number" || Boolean(entry[1]),
  );
  return Object.fromEntries(known);
}
