import { Injectable } from "@nestjs/common";
import { Database, type Transaction } from "../platform/database.js";

@Injectable()
export class RecordingsRepository {
  constructor(private readonly database: Database) {}

  async insert(transaction: Transaction, id: string, wrappedKey: Uint8Array): Promise<void> {
    await transaction.recording.create({ data: { id, wrappedKey: Uint8Array.from(wrappedKey) } });
  }

  /** The first time counts. */
  async end(id: string, endedAt: Date): Promise<void> {
    await this.database.prisma.recording.updateMany({ where: { id, endedAt: null }, data: { endedAt } });
  }
}
