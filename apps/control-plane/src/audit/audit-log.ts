import { Injectable } from "@nestjs/common";
import type { Transaction } from "../platform/database.js";
import type { AuditAction } from "./audit-actions.js";
import { AuditEventsRepository } from "./audit-events.repository.js";

/** Flat and small on purpose: a whole request or document, where a secret could hide, does not fit. */
export type AuditDetails = Readonly<Record<string, string | number | boolean>>;

export interface AuditEntry {
  /** The principal's id; `agent:<id>` for an agent, `system` for the control plane itself. */
  readonly actor: string;
  readonly action: AuditAction;
  /** The id or name of what was acted on. */
  readonly subject: string;
  /** Shown to every auditor: never a token, a key, a password or a payload. */
  readonly details?: AuditDetails;
}

/** Who did what to the system. Append-only, for the application role too. */
@Injectable()
export class AuditLog {
  constructor(private readonly events: AuditEventsRepository) {}

  /** Within `transaction` the act and its record stand or fall together; without one it is durable when this resolves. */
  async record(transaction: Transaction | undefined, entry: AuditEntry): Promise<void> {
    await this.events.insert(transaction, entry);
  }
}
