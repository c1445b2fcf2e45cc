import type { LockKind } from "@drawbridge/contracts";

export interface LiveLock {
  readonly id: string;
  readonly kind: LockKind;
  /** Of an agent its id, of a tool `target/tool`. */
  readonly subject: string;
  readonly reason: string;
  readonly expiresAt: Date | undefined;
}

/** What an operation is about; any part may be locked. */
export interface Lockable {
  readonly principal?: string | undefined;
  readonly client?: string | undefined;
  /** Its id. */
  readonly agent?: string | undefined;
  readonly target?: string | undefined;
  /** Of a tool call, beside `target`. */
  readonly tool?: string | undefined;
  readonly session?: string | undefined;
}

/** The locks that nobody has released, or had when this was read. */
export class Locks {
  private readonly bySubject = new Map<string, LiveLock>();

  constructor(readonly all: readonly LiveLock[]) {
    for (const lock of all) this.bySubject.set(keyOf(lock.kind, lock.subject), lock);
  }

  /** The lock that keeps it from happening at `at`; undefined when there is none. */
  on(what: Lockable, at: Date): LiveLock | undefined {
    if (this.bySubject.size === 0) return undefined;
    const { tool, target, ...others } = what;
    const subjects = { ...others, target, tool: tool === undefined ? undefined : `${target}/${tool}` };
    for (const [kind, subject] of Object.entries(subjects)) {
      const lock = subject === undefined ? undefined : this.bySubject.get(keyOf(kind as LockKind, subject));
      if (lock && (lock.expiresAt === undefined || at < lock.expiresAt)) return lock;
    }
    return undefined;
  }
}

function keyOf(kind: LockKind, subject: string): string {
  return `${kind} ${subject}`;
}
