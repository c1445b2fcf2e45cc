import { Injectable } from "@nestjs/common";
import type { EventKind } from "@drawbridge/contracts";
import type { Permission } from "../identity/index.js";
import { Messages } from "../platform/jobs.js";
import type { Transaction } from "../platform/database.js";
import { LiveEventsRepository } from "./live-events.repository.js";

/** What is told live and by notifications. Flat, small and masked: everybody in its audience sees all of it. */
export interface NewEvent {
  readonly kind: EventKind;
  /** Id of the approval, request, grant, session or lock; name of the agent. */
  readonly subject: string;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
  readonly audience: Audience;
}

/** Who may hear of it: any of these. */
export interface Audience {
  readonly principals?: readonly string[];
  /** Groups of the identity provider. */
  readonly groups?: readonly string[];
  /** Whoever has it hears of it. */
  readonly permission: Permission;
}

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
