import { Injectable } from "@nestjs/common";
import type { AccessGrant as Row } from "../generated/prisma/client.js";
import type { Transaction } from "../platform/database.js";

export type StoredGrant = Row;

@Injectable()
export class GrantsRepository {
  /** Of access: what lets an approved operation run again opens nothing by itself. */
  active(transaction: Transaction): Promise<StoredGrant[]> {
    return transaction.accessGrant.findMany({ where: { state: "active", kind: { not: "repeat" } } });
  }
}
