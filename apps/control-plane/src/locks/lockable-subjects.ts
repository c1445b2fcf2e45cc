import { Injectable } from "@nestjs/common";
import type { LockKind } from "@drawbridge/contracts";
import type { Principal } from "../identity/index.js";
import type { Transaction } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import { NAME, UUID } from "../platform/pagination.js";
import { LocksRepository } from "./locks.repository.js";

export interface LockSubject {
  readonly kind: LockKind;
  readonly subject: string;
}

// eslint-disable-next-line no-control-regex
const CONTROL = /[\0-\x1f\x7f]/;

/** What may be locked, and how it is written. */
@Injectable()
export class LockableSubjects {
  constructor(private readonly locks: LocksRepository) {}

  /** The subject as it is stored. @throws DomainError lock_invalid */
  read(principal: Principal, { kind, subject, reason }: LockSubject & { readonly reason: string }): string {
    // Written down otherwise than it was said it would lock something else, or nothing.
    if (CONTROL.test(subject) || !subject.isWellFormed())
      throw invalid("the subject holds characters that no name has");
    if (reason.includes("\0") || !reason.isWellFormed())
      throw invalid("the reason holds characters that cannot be kept");
    refuseOwn(principal, { kind, subject });
    return subjectOf(kind, subject);
  }

  /** Principals and clients may be unknown yet. @throws DomainError lock_invalid for another subject that is unknown */
  async require(transaction: Transaction, { kind, subject }: LockSubject): Promise<void> {
    if (await this.isKnown(transaction, { kind, subject })) return;
    const what = kind === "session" ? "open session" : kind === "tool" ? "target of the tool" : kind;
    throw invalid(`there is no ${what} ${subject}`);
  }

  /** Whom a lock is about. */
  async principalsOf(
    transaction: Transaction,
    { kind, subject }: { readonly kind: string; readonly subject: string },
  ): Promise<readonly string[]> {
    if (kind === "principal") return [subject];
    if (kind !== "session") return [];
    const session = await this.locks.session(transaction, subject);
    return session ? [session.principal] : [];
  }

  private async isKnown(transaction: Transaction, { kind, subject }: LockSubject): Promise<boolean> {
    switch (kind) {
      case "principal":
      case "client":
        return true;
      case "agent":
        return this.locks.hasAgent(transaction, subject);
      case "target":
        return this.locks.hasTarget(transaction, subject);
      case "tool":
        return this.locks.hasTarget(transaction, subject.slice(0, subject.indexOf("/")));
      case "session":
        return (await this.locks.session(transaction, subject))?.isOpen === true;
    }
  }
}

function refuseOwn({ id, client }: Principal, { kind, subject }: LockSubject): void {
  if (kind === "principal" && subject === id) throw invalid("nobody locks themselves out");
  if (kind === "client" && subject === client)
    throw invalid("this is the client you are using: with it locked nobody could unlock it from here");
}

function subjectOf(kind: LockKind, subject: string): string {
  switch (kind) {
    case "principal":
    case "client":
      return subject;
    case "agent":
      return nameOf("an agent", subject);
    case "target":
      return nameOf("a target", subject);
    case "tool":
      return toolOf(subject);
    case "session":
      return uuidOf(subject);
  }
}

function uuidOf(subject: string): string {
  const id = subject.toLowerCase();
  if (!UUID.test(id)) throw invalid("the subject must be the id of a session");
  return id;
}

function nameOf(kind: string, subject: string): string {
  if (!NAME.test(subject)) throw invalid(`the subject must be the name of ${kind}`);
  return subject;
}

/** Only the target's name cannot hold a slash: the first one ends it. */
function toolOf(subject: string): string {
  const [target = ""] = subject.split("/", 1);
  if (!NAME.test(target) || subject.length <= target.length + 1)
    throw invalid("the subject must be target/tool, such as shop/execute_sql");
  return subject;
}

function invalid(message: string): DomainError {
  return new DomainError("lock_invalid", message);
}
