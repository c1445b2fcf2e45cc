import { Injectable } from "@nestjs/common";
import type { Transaction } from "../platform/database.js";
import type { AuditEntry } from "./audit-entry.js";
import { AuditEventsRepository } from "./audit-events.repository.js";

/** Who did what to the system. Append-only, for the application role too. */
@Injectable()
export class AuditLog {
  constructor(private readonly events: AuditEventsRepository) {}

  /** Within `transaction` the act and its record stand or fall together; without one it is durable when this resolves. */
  async record(transaction: Transaction | undefined, entry: AuditEntry): Promise<void> {
    await this.events.insert(transaction, entry);
  }
}
