import { Injectable } from "@nestjs/common";
import { AuditLog } from "../../audit/index.js";
import { EventLog } from "../../events/index.js";
import type { Principal } from "../../identity/index.js";
import { Database } from "../../platform/database.js";
import { SessionsRepository } from "./sessions.repository.js";
import { SessionsService } from "./sessions.service.js";

/** Ends a session on an operator's word, here and, through the epoch, everywhere. */
@Injectable()
export class SessionEnding {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionsRepository,
    private readonly service: SessionsService,
    private readonly audit: AuditLog,
    private readonly events: EventLog,
  ) {}

  async end(principal: Principal, id: string): Promise<void> {
    const reason = `ended by ${principal.id}`;
    await this.database.transaction(async (transaction) => {
      if (!(await this.sessions.closeByOperator(transaction, id, reason))) return;
      await this.audit.record(transaction, {
        actor: principal.id,
        action: "session.ended",
        subject: id,
        details: {},
      });
    });
    void this.events.announce();
    await this.service.endById(id, reason);
  }
}
