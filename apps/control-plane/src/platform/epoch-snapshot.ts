import type { Database, Transaction } from "./database.js";

/** A value read from the database together with the authorization epoch it was true at. */
export interface Snapshot<Value> {
  readonly epoch: bigint;
  readonly value: Value;
}

const READ_TIMEOUT_MS = 5_000;

/** The authorization epoch of this moment. One small read: for where nothing is recorded that would tell it. */
export async function readEpoch(database: Database): Promise<bigint> {
  const query = { text: "select value from authorization_epoch where id = 1" };
  // On a connection that has gone silent it would wait for a quarter of an hour, and nothing would be noticed meanwhile.
  const timed = { ...query, query_timeout: READ_TIMEOUT_MS } as typeof query;
  const result = await database.pool.query<{ value: string }>(timed);
  return BigInt(result.rows[0]?.value ?? 0);
}

/** For a change that takes something away and that no trigger sees: part of the transaction that makes it. */
export async function moveEpoch(transaction: Transaction): Promise<void> {
  await transaction.authorizationEpoch.update({ where: { id: 1 }, data: { value: { increment: 1 } } });
}

/**
 * Keeps in memory what decisions are made from. It is never too old by itself: whoever recorded a request learns the
 * epoch of that moment and asks for a snapshot at least as new.
 */
export class EpochSnapshot<Value> {
  private current: Snapshot<Value> | undefined;
  private loading: Promise<Snapshot<Value>> | undefined;

  constructor(
    private readonly database: Database,
    private readonly read: (transaction: Transaction) => Promise<Value>,
  ) {}

  /** The newest known value; read once when nothing is known yet. */
  async get(): Promise<Snapshot<Value>> {
    return this.current ?? (await this.load());
  }

  /** A value that is true at `epoch` or later. */
  async atLeast(epoch: bigint): Promise<Snapshot<Value>> {
    let snapshot = await this.get();
    // A load that was under way may have begun before the epoch moved; the one after it cannot have.
    while (snapshot.epoch < epoch) snapshot = await this.load();
    return snapshot;
  }

  private load(): Promise<Snapshot<Value>> {
    this.loading ??= this.readConsistently().finally(() => {
      this.loading = undefined;
    });
    return this.loading;
  }

  private async readConsistently(): Promise<Snapshot<Value>> {
    const snapshot = await this.database.consistently(async (transaction) => {
      const { value: epoch } = await transaction.authorizationEpoch.findUniqueOrThrow({ where: { id: 1 } });
      return { epoch, value: await this.read(transaction) };
    });
    if (!this.current || snapshot.epoch >= this.current.epoch) this.current = snapshot;
    return this.current;
  }
}
