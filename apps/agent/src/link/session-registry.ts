import type { Logger } from "pino";
import { Session, type SessionOptions } from "../sessions/session.js";
import { Attachment } from "./attachment.js";
import type { Connection } from "./connection.js";
import type { Permission } from "./permission.js";

/** Who a session answers to: the link to one control plane. */
export interface SessionOwner {
  readonly permission: Pick<Permission, "holds">;
  readonly maxMessageBytes: number;
  /** Tells the control plane, now or when it is reached again. */
  reportEnded(sessionId: string, reason: string): void;
}

export interface RegistryOptions {
  readonly maxSessions: number;
  readonly random: () => number;
  readonly session: Pick<
    SessionOptions,
    "openTarget" | "revisions" | "masker" | "bufferedBytes" | "maxResultBytes" | "timeouts"
  >;
  readonly log: Logger;
}

interface Entry {
  readonly session: Session;
  readonly attachment: Attachment;
  owner: SessionOwner;
}

/** Every session on this host. A session belongs to the link that opened it last. */
export class SessionRegistry {
  readonly #options: RegistryOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #ending = new Set<Promise<void>>();

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#entries.size;
  }

  /** Opens a session for this owner, or takes over one whose control plane sent its client elsewhere. */
  open(id: string, owner: SessionOwner, connection: Connection): void {
    const known = this.#entries.get(id);
    if (known) {
      known.owner = owner;
      known.attachment.follow(connection);
      return;
    }
    if (this.#entries.size >= this.#options.maxSessions) {
      this.#options.log.warn(
        { limit: this.#options.maxSessions },
        "a session was refused: the limit is reached",
      );
      owner.reportEnded(id, `this agent is at its limit of ${this.#options.maxSessions} sessions`);
      return;
    }
    this.#add(id, owner).attachment.follow(connection);
  }

  /** Ends a session because the control plane says so. */
  close(id: string, reason: string): void {
    const entry = this.#entries.get(id);
    if (entry) this.#end(entry, reason);
  }

  idsOf(owner: SessionOwner): string[] {
    return this.#of(owner).map(({ session }) => session.id);
  }

  /** Moves every session of this owner to its new connection. */
  moveTo(owner: SessionOwner, connection: Connection): void {
    for (const { attachment } of this.#of(owner)) attachment.moveTo(connection);
  }

  /** Fail closed: nothing of this owner goes on. */
  endAllOf(owner: SessionOwner, reason: string): void {
    for (const entry of this.#of(owner)) {
      this.#end(entry, reason);
      owner.reportEnded(entry.session.id, reason);
    }
  }

  /** Resolves when no target runs any more. */
  async endAll(reason: string): Promise<void> {
    for (const entry of this.#entries.values()) this.#end(entry, reason);
    await Promise.all(this.#ending);
  }

  #of(owner: SessionOwner): Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.owner === owner);
  }

  #add(id: string, owner: SessionOwner): Entry {
    const session = new Session({
      ...this.#options.session,
      id,
      maxMessageBytes: () => entry.owner.maxMessageBytes,
      mayOperate: () => entry.owner.permission.holds,
      onTargetEnded: (reason) => this.#targetEnded(entry, reason),
      log: this.#options.log,
    });
    const attachment = new Attachment({
      session,
      random: this.#options.random,
      onLost: (reason) => this.#end(entry, reason),
    });
    const entry: Entry = { session, attachment, owner };
    this.#entries.set(id, entry);
    this.#options.log.info({ session: id }, "session opened");
    return entry;
  }

  #targetEnded(entry: Entry, reason: string): void {
    if (!entry.attachment.isAttached) entry.owner.reportEnded(entry.session.id, reason);
    this.#end(entry, reason);
  }

  #end(entry: Entry, reason: string): void {
    if (!this.#entries.delete(entry.session.id)) return;
    this.#options.log.info({ session: entry.session.id, reason }, "session ended");
    const ending = entry.session
      .end(reason)
      .catch((error: unknown) =>
        this.#options.log.error({ error: nameOf(error) }, "a session did not end cleanly"),
      )
      .finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
    entry.attachment.finish();
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "unknown";
}
