import { Logger } from "@nestjs/common";
import type { ApprovalEndings } from "./approval-endings.js";
import type { HeldApproval } from "./approvals.js";
import type { ApprovalsRepository } from "./approvals.repository.js";
import type { HeldApprovals } from "./held-approvals.js";

const LOOK_EVERY_MS = 500;
/** Hints come in swarms, and each look reads all that anybody waits for: where that takes long there are fewer. */
const HINT_WAITS_MS = 20;
const REST_AFTER_LOOK = 4;

interface Waiter {
  readonly known: HeldApproval;
  readonly tell: (held: HeldApproval) => void;
}

/** What a look needs. */
export interface Watched {
  readonly repository: ApprovalsRepository;
  readonly held: HeldApprovals;
  readonly endings: ApprovalEndings;
  readonly now: () => Date;
}

/** Looks after all approvals that requests of this process wait for: one statement every half second, while any does. */
export class ApprovalWatch {
  private readonly logger = new Logger("approvals");
  private readonly waiters = new Map<string, Set<Waiter>>();
  /** How those stand that are waited for, and by which mark that is known. */
  private readonly seen = new Map<string, { readonly mark: string; readonly held: HeldApproval }>();
  private looking: Promise<void> | undefined;
  private hinted = false;
  private hintWaitsMs = HINT_WAITS_MS;
  private onHint: (() => void) | undefined;
  private isFailing = false;
  private isStopped = false;

  constructor(private readonly watched: Watched) {}

  /** Resolves when it stands otherwise than is known; rejects when the signal aborts. A database that does not answer ends no wait. */
  changed(known: HeldApproval, signal: AbortSignal): Promise<HeldApproval> {
    const { promise, resolve, reject } = Promise.withResolvers<HeldApproval>();
    const waiter: Waiter = { known, tell: resolve };
    const onAbort = () => reject(abortReason(signal));
    if (signal.aborted) onAbort();
    else this.enter(waiter);
    signal.addEventListener("abort", onAbort);
    return promise.finally(() => {
      signal.removeEventListener("abort", onAbort);
      this.leave(waiter);
    });
  }

  /** Something has changed somewhere. */
  lookSoon(): void {
    this.hinted = true;
    this.onHint?.();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.lookSoon();
    await this.looking;
  }

  private enter(waiter: Waiter): void {
    const { id } = waiter.known;
    const waiters = this.waiters.get(id);
    if (waiters) waiters.add(waiter);
    else this.waiters.set(id, new Set([waiter]));
    this.looking ??= this.look();
  }

  private leave(waiter: Waiter): void {
    const { id } = waiter.known;
    const waiters = this.waiters.get(id);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.waiters.delete(id);
  }

  private async look(): Promise<void> {
    while (this.waiters.size > 0 && !this.isStopped) {
      await this.pause();
      const began = performance.now();
      try {
        await this.lookOnce();
        this.isFailing = false;
      } catch (error) {
        if (!this.isFailing)
          this.logger.warn(
            "how approvals stand cannot be read; their callers go on waiting",
            error instanceof Error ? error.message : String(error),
          );
        this.isFailing = true;
      }
      const rest = REST_AFTER_LOOK * (performance.now() - began);
      this.hintWaitsMs = Math.min(Math.max(HINT_WAITS_MS, rest), LOOK_EVERY_MS);
    }
    this.seen.clear();
    this.looking = undefined;
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      let timer = setTimeout(resolve, this.hinted ? this.hintWaitsMs : LOOK_EVERY_MS);
      this.hinted = false;
      this.onHint = () => {
        this.onHint = undefined;
        clearTimeout(timer);
        timer = setTimeout(resolve, this.hintWaitsMs);
      };
    });
  }

  private async lookOnce(): Promise<void> {
    const { repository, held, endings, now } = this.watched;
    const marks = await repository.marks([...this.waiters.keys()], now());
    const stale = marks.filter(({ id, mark }) => this.seen.get(id)?.mark !== mark);
    const markOf = new Map(stale.map(({ id, mark }) => [id, mark]));
    const fresh = stale.length === 0 ? [] : await held.ofIds([...markOf.keys()]);
    for (const each of fresh) this.seen.set(each.id, { mark: markOf.get(each.id) ?? "", held: each });
    for (const [id, { held: each }] of this.seen) this.tell(id, each);
    for (const { id, due } of marks) if (due) await endings.expire(id);
  }

  private tell(id: string, held: HeldApproval): void {
    const waiters = this.waiters.get(id);
    if (!waiters) this.seen.delete(id);
    for (const { known, tell } of waiters ?? []) if (differs(known, held)) tell(held);
  }
}

function differs(known: HeldApproval, held: HeldApproval): boolean {
  return known.state !== held.state || JSON.stringify(known.missing) !== JSON.stringify(held.missing);
}

function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error("nobody waits for the approval any more");
}
