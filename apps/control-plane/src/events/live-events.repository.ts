import { Injectable } from "@nestjs/common";
import { Database, type Transaction } from "../platform/database.js";
import type { NewEvent } from "./event-log.js";

@Injectable()
export class LiveEventsRepository {
  constructor(private readonly database: Database) {}

  async insert(
    transaction: Transaction | undefined,
    { kind, subject, data, audience }: NewEvent,
  ): Promise<void> {
    const { principals = [], groups = [], permission } = audience;
    await (transaction ?? this.database.prisma).liveEvent.create({
      data: {
        kind,
        subject,
        data: { ...data },
        principals: [...principals],
        groups: [...groups],
        permission,
      },
    });
  }
}
