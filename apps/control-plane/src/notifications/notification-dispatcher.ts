import { Injectable } from "@nestjs/common";
import { EventHistory, isAfter } from "../events/index.js";
import { Database, type Transaction } from "../platform/database.js";
import { NotificationCursorRepository } from "./notification-cursor.repository.js";
import { NotificationOutbox } from "./notification-outbox.js";

const BATCH = 200;

/**
 * Writes down what is to be sent: for each event a delivery for each channel that wants it, in the transaction in which
 * the cursor moves on. From then on it is in the outbox, whatever becomes of this process and of the queue.
 */
@Injectable()
export class NotificationDispatcher {
  constructor(
    private readonly database: Database,
    private readonly history: EventHistory,
    private readonly cursor: NotificationCursorRepository,
    private readonly outbox: NotificationOutbox,
  ) {}

  /** Resolves when there is nothing more to write down, or another process does it. */
  async dispatch(): Promise<void> {
    for (let more = true; more;) {
      // A look that takes no lock: mostly nothing has happened.
      const { events } = await this.history.after(await this.cursor.read(), 1);
      more = events.length > 0 && (await this.database.transaction((transaction) => this.batch(transaction)));
    }
  }

  private async batch(transaction: Transaction): Promise<boolean> {
    const position = await this.cursor.take(transaction);
    if (!position) return false;
    const { events, more } = await this.history.after(position, BATCH, transaction);
    const last = events.at(-1)?.position;
    if (!last) return false;
    await this.outbox.add(transaction, events);
    await this.cursor.move(transaction, last);
    return more;
  }

  /**
   * A cursor ahead of all that is over is of the database that this one was restored from. True when it was one, and was
   * set to now.
   */
  async mendCursor(): Promise<boolean> {
    const now = await this.history.now();
    if (!isAfter(await this.cursor.read(), now)) return false;
    await this.database.transaction((transaction) => this.cursor.move(transaction, now));
    return true;
  }
}
