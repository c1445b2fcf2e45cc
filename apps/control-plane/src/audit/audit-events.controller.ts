import { Controller, Get, Query, SerializeOptions } from "@nestjs/common";
import { AuditEventPage, type AuditEventView, AuditQuery, type Page } from "@drawbridge/contracts";
import { Requires } from "../identity/index.js";
import { pageFrom, readCursor, UUID } from "../platform/pagination.js";
import { AuditEventsRepository, type AuditEventRow } from "./audit-events.repository.js";

@Controller("api/v1/audit-events")
export class AuditEventsController {
  constructor(private readonly events: AuditEventsRepository) {}

  @Get()
  @Requires("audit:read")
  @SerializeOptions({ schema: AuditEventPage })
  async list(@Query({ schema: AuditQuery }) query: AuditQuery): Promise<Page<AuditEventView>> {
    const { limit, cursor, ...filter } = query;
    const rows = await this.events.list(filter, readCursor(cursor, UUID), limit + 1);
    return pageFrom(rows, limit, { key: (row) => row.id, view: viewOf });
  }
}

function viewOf(row: AuditEventRow): AuditEventView {
  return {
    id: row.id,
    at: row.at.toISOString(),
    actor: row.actor,
    action: row.action,
    subject: row.subject,
    details: row.details as AuditEventView["details"],
  };
}
