import { Injectable, type OnModuleDestroy, type OnModuleInit } from "@nestjs/common";
import { createMasker } from "@drawbridge/masking";
import { AuditLog } from "../audit/index.js";
import { EventLog, type NewEvent } from "../events/index.js";
import { Clock } from "../platform/clock.js";
import { Database, type Transaction } from "../platform/database.js";
import { Messages } from "../platform/jobs.js";
import { Turns } from "../platform/turns.js";
import type { StoredApproval } from "./approvals.repository.js";

/** Relay topic: some approval is not what it was. A hint: whoever waits looks by themselves, too. */
const APPROVALS_TOPIC = "approvals";

type ApprovalEventKind = Extract<NewEvent["kind"], `approval.${string}`>;

/** The transaction of an act, and the moment it happens at. */
export interface Act {
  readonly transaction: Transaction;
  readonly now: Date;
}

export interface Done {
  readonly kind: ApprovalEventKind;
  /** Principal, or `system`. */
  readonly actor: string;
  readonly comment?: string | undefined;
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

/** So much of what a person or a policy says goes into an event. */
const SHORT_TEXT = 300;
// A thousand operations may be held at once. They wait here, where nothing times out, and leave connections to others.
const MOST_AT_ONCE = 6;
/** Acts come in swarms, and one hint is enough for all. */
const HINT_WAITS_MS = 10;
const NAMED = new Set(["tools/call", "prompts/get"]);

/** What is done to approvals: in one transaction with its audit event and live event, neither of which tells the operation. */
@Injectable()
export class ApprovalActs implements OnModuleInit, OnModuleDestroy {
  private readonly masker = createMasker();
  private readonly turns = new Turns({ atOnce: MOST_AT_ONCE });
  private readonly listeners: (() => void)[] = [];
  private hint: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly events: EventLog,
    private readonly messages: Messages,
    private readonly clock: Clock,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.messages.subscribe(APPROVALS_TOPIC, () => this.tell());
  }

  onModuleDestroy(): void {
    clearTimeout(this.hint);
  }

  /** Called when some approval is not what it was, here or in another process that could tell. Never relied upon. */
  onAct(listener: () => void): void {
    this.listeners.push(listener);
  }

  now(): Date {
    return this.clock.now();
  }

  /** Runs the act. Unless it did nothing, and returns undefined, who watches or waits looks when it is over. What it throws undoes it. */
  async perform<Result>(act: (act: Act) => Promise<Result>): Promise<Result> {
    const result = await this.turns.of("acts", () =>
      this.database.transaction((transaction) => act({ transaction, now: this.now() })),
    );
    if (result === undefined) return result;
    this.tell();
    this.hint ??= setTimeout(() => this.tellOthers(), HINT_WAITS_MS).unref();
    return result;
  }

  async record(transaction: Transaction, approval: StoredApproval, done: Done): Promise<void> {
    const { kind, actor, comment, details = {} } = done;
    const { id, sessionId, principal, targetName, method, policy, rule } = approval;
    const about = { target: targetName, method, session: sessionId, policy, rule };
    const name = NAMED.has(method) && approval.name !== null ? { name: this.short(approval.name) } : {};
    await this.audit.record(transaction, {
      actor,
      action: kind,
      subject: id,
      details: { ...about, ...name, principal, ...details },
    });
    await this.events.append(transaction, {
      kind,
      subject: id,
      audience: {
        principals: [principal],
        groups: approval.review.from.map(({ group }) => group),
        permission: "approval:read_all",
      },
      data: {
        ...about,
        ...name,
        principal,
        ...details,
        by: actor,
        state: approval.state,
        reason: this.short(approval.reason),
        expiresAt: approval.expiresAt.toISOString(),
        ...(comment === undefined ? {} : { comment: this.short(comment) }),
      },
    });
  }

  /** Of a text that others wrote: masked, and only so much of it that it can be told anywhere. */
  short(text: string): string {
    try {
      return this.masker.maskText(text).text.slice(0, SHORT_TEXT).toWellFormed();
    } catch {
      return "[not maskable]";
    }
  }

  /** Nobody waits for hints to have arrived. */
  private tellOthers(): void {
    this.hint = undefined;
    void this.events.announce();
    void this.messages.publish(APPROVALS_TOPIC, {});
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}
