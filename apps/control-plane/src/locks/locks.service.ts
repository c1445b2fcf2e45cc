import { randomUUIDv7 } from "node:crypto";
import { Injectable } from "@nestjs/common";
import type { CreateLock, LockQuery, LockView, Page } from "@drawbridge/contracts";
import { durationMs } from "@drawbridge/policy";
import type { Principal } from "../identity/index.js";
import { Clock } from "../platform/clock.js";
import { Database, isUniqueViolation } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import { pageFrom, readCursor, UUID } from "../platform/pagination.js";
import { LockActs } from "./lock-acts.js";
import { LockableSubjects } from "./lockable-subjects.js";
import { LocksRepository, type StoredLock } from "./locks.repository.js";

/** Who released a lock that ended by itself. */
const EXPIRED = "expired";
const MOST_AT_ONCE = 100;

/** Sets and releases locks. What follows from one follows from the authorization epoch, which a trigger moves. */
@Injectable()
export class LocksService {
  constructor(
    private readonly database: Database,
    private readonly locks: LocksRepository,
    private readonly subjects: LockableSubjects,
    private readonly acts: LockActs,
    private readonly clock: Clock,
  ) {}

  /** @throws DomainError lock_invalid, already_locked */
  async create(
    principal: Principal,
    { kind, subject: named, reason, duration }: CreateLock,
  ): Promise<LockView> {
    const subject = this.subjects.read(principal, { kind, subject: named, reason });
    const now = this.clock.now();
    const lifetime = duration === undefined ? undefined : durationMs(duration);
    const lock = {
      id: randomUUIDv7(),
      kind,
      subject,
      reason,
      createdBy: principal.id,
      createdAt: now,
      expiresAt: lifetime === undefined ? null : new Date(now.getTime() + lifetime),
    };
    // One that is over stands in the way until it is released.
    const earlier = await this.locks.findInForce(lock);
    if (earlier && isOver(earlier, now)) await this.releaseExpired(earlier);
    try {
      const stored = await this.database.transaction(async (transaction) => {
        await this.subjects.require(transaction, lock);
        const created = await this.locks.insert(transaction, lock);
        await this.acts.record(transaction, created, { action: "lock.set", actor: principal.id });
        return created;
      });
      await this.acts.announce();
      return viewOf(stored);
    } catch (error) {
      if (isUniqueViolation(error)) throw await this.alreadyLocked(lock);
      throw error;
    }
  }

  async list({ limit, cursor, kind, all }: LockQuery): Promise<Page<LockView>> {
    const inForceAt = all === true ? undefined : this.clock.now();
    const filter = { kind, inForceAt, before: readCursor(cursor, UUID) };
    return pageFrom(await this.locks.list(filter, limit + 1), limit, { key: ({ id }) => id, view: viewOf });
  }

  /** @throws DomainError lock_not_found */
  async get(id: string): Promise<LockView> {
    return viewOf(await this.required(id));
  }

  /** Releasing it again changes nothing. @throws DomainError lock_not_found */
  async release(principal: Principal, id: string): Promise<LockView> {
    const lock = await this.required(id);
    const now = this.clock.now();
    if (isOver(lock, now)) await this.releaseExpired(lock);
    else await this.end(lock, { releasedAt: now, releasedBy: principal.id });
    return this.get(id);
  }

  /** Writes down the ends of locks that ended by themselves. */
  async releaseOverdue(): Promise<void> {
    for (const lock of await this.locks.overdue(this.clock.now(), MOST_AT_ONCE))
      await this.releaseExpired(lock);
  }

  private async releaseExpired(lock: StoredLock): Promise<void> {
    await this.end(lock, { releasedAt: lock.expiresAt ?? this.clock.now(), releasedBy: EXPIRED });
  }

  private async end(
    { id, releasedAt: endedAt }: StoredLock,
    values: { releasedAt: Date; releasedBy: string },
  ): Promise<void> {
    // An update moves the epoch for everybody, also one that finds nothing.
    if (endedAt) return;
    const actor = values.releasedBy === EXPIRED ? "system" : values.releasedBy;
    await this.database.transaction(async (transaction) => {
      const released = await this.locks.release(transaction, id, values);
      if (released) await this.acts.record(transaction, released, { action: "lock.released", actor });
    });
    await this.acts.announce();
  }

  private async required(id: string): Promise<StoredLock> {
    const lock = await this.locks.find(id);
    if (!lock) throw new DomainError("lock_not_found", `there is no lock ${id}`);
    return lock;
  }

  private async alreadyLocked(wanted: { kind: StoredLock["kind"]; subject: string }): Promise<DomainError> {
    const { kind, subject } = wanted as Parameters<LocksRepository["findInForce"]>[0];
    const lock = await this.locks.findInForce({ kind, subject });
    const which = lock ? `by lock ${lock.id}: ${lock.reason}` : "or was until a moment ago; try again";
    return new DomainError("already_locked", `the ${kind} ${subject} is locked already ${which}`);
  }
}

function isOver({ releasedAt, expiresAt }: StoredLock, now: Date): boolean {
  return releasedAt === null && expiresAt !== null && expiresAt <= now;
}

function viewOf(lock: StoredLock): LockView {
  return {
    id: lock.id,
    kind: lock.kind as LockView["kind"],
    subject: lock.subject,
    reason: lock.reason,
    createdBy: lock.createdBy,
    createdAt: lock.createdAt.toISOString(),
    expiresAt: lock.expiresAt?.toISOString() ?? null,
    releasedAt: lock.releasedAt?.toISOString() ?? null,
    releasedBy: lock.releasedBy,
  };
}
