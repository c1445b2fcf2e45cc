import { Injectable } from "@nestjs/common";
import { Messages } from "../platform/jobs.js";
import type { Transaction } from "../platform/database.js";
import { LiveEventsRepository } from "./live-events.repository.js";
import type { NewEvent } from "./new-event.js";

/** Relay topic: something was appended. A hint; whoever listens looks by themselves, too. */
export const EVENTS_TOPIC = "events";

/** What happened, written in the transaction of the act: who watches and who is notified hear of what is committed, and of all of it. */
@Injectable()
export class EventLog {
  constructor(
    private readonly events: LiveEventsRepository,
    private readonly messages: Messages,
  ) {}

  /** Within `transaction` the act and its event stand or fall together; without one it is durable when this resolves. */
  async append(transaction: Transaction | undefined, event: NewEvent): Promise<void> {
    await this.events.insert(transaction, event);
  }

  /** To be called when the transaction is over: makes listeners look at once. Never fails. */
  async announce(): Promise<void> {
    await this.messages.publish(EVENTS_TOPIC, {});
  }
}
