import { Inject, Injectable, type OnModuleDestroy } from "@nestjs/common";
import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";
import { CONFIG, type Config } from "../config.js";
import { Prisma, PrismaClient } from "../generated/prisma/client.js";

/** A transaction, or the client itself where one statement is the whole act. */
export type Transaction = Prisma.TransactionClient;

/**
 * The connections to Postgres. Everything runs as the role `drawbridge_app`, which cannot change append-only
 * tables, whatever role the URL signs in as.
 */
@Injectable()
export class Database implements OnModuleDestroy {
  readonly prisma: PrismaClient;
  /** For the hot path, which batches its rows in raw statements. */
  readonly pool: pg.Pool;

  constructor(@Inject(CONFIG) config: Config) {
    const connection = {
      connectionString: config.databaseUrl,
      // A server or role with synchronous_commit off would answer before what it was told is durable.
      // Nor may a process whose host is gone keep rows locked until Postgres notices.
      options:
        "-c role=drawbridge_app -c statement_timeout=30000 -c synchronous_commit=on" +
        " -c idle_in_transaction_session_timeout=30000",
      connectionTimeoutMillis: 5_000,
      application_name: "drawbridge",
    };
    this.prisma = new PrismaClient({ adapter: new PrismaPg({ ...connection, max: 10 }) });
    this.pool = new pg.Pool({ ...connection, max: 6 });
    // An idle connection that breaks is replaced at the next use; unheard, its error would end the process.
    this.pool.on("error", () => undefined);
  }

  /** Runs `work` in one transaction; what it throws rolls everything back. */
  transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    return this.prisma.$transaction(work, { timeout: 15_000, maxWait: 5_000 });
  }

  /** Reads that all see the same moment. */
  consistently<Result>(read: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    return this.prisma.$transaction(read, {
      isolationLevel: Prisma.TransactionIsolationLevel.RepeatableRead,
    });
  }

  async onModuleDestroy(): Promise<void> {
    await Promise.all([this.prisma.$disconnect(), this.pool.end()]);
  }
}

/** SQLSTATE class 08 (connection), 57P (shutdown), 53 (resources), and what the drivers say when nobody answers. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (
    typeof code === "string" &&
    /^(?:08|57P|53|ECONN|EPIPE|ETIMEDOUT|P1001|P1002|P1008|P1017|P2024)/.test(code)
  )
    return true;
  return (
    typeof message === "string" &&
    /ECONNREFUSED|Connection terminated|connection timeout|Can't reach database/i.test(message)
  );
}

/** Postgres says that a unique constraint already holds this value. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === "P2002";
}
