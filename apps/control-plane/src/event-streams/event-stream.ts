import { type EventMessage, matchesEvent } from "@drawbridge/contracts";
import { Logger } from "@nestjs/common";
import type { WebSocket } from "ws";
import {
  BEGINNING,
  type EventCursor,
  eventCursor,
  type EventFeed,
  type EventHistory,
  type EventListener,
  type EventPosition,
  EVENTS_KEPT_MS,
  isAfter,
  type LiveEvent,
} from "../events/index.js";
import { isPermitted, type Principal } from "../identity/index.js";
import type { Clock } from "../platform/clock.js";

/** Close codes of ours (RFC 6455 section 7.4.2). */
export const CLOSED = { tokenExpired: 4401, locked: 4403, goingAway: 1001, failed: 1011 } as const;

/** What a client has not read yet, at most, give or take one event. */
const MAX_UNREAD_BYTES = 1024 * 1024;
// What it lags behind is sent no faster than it reads.
const CATCH_UP_UNREAD_BYTES = 64 * 1024;
const CATCH_UP_BATCH = 100;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface EventStreamParts {
  readonly history: EventHistory;
  readonly feed: EventFeed;
  readonly clock: Clock;
}

/** Who listens, and to what. */
export interface EventListening {
  readonly principal: Principal;
  readonly kinds: readonly string[] | undefined;
  readonly after: EventCursor | undefined;
}

/**
 * One WebSocket of somebody who listens: first what they missed, then what happens, each event only if they may hear of
 * it. A client that reads too slowly for what happens reads from the log at its own pace until it is there again; one
 * that does not read at all does not answer a ping.
 */
export class EventStream implements EventListener {
  private readonly logger = new Logger("events");
  private readonly expiry: NodeJS.Timeout;
  private ended = false;
  /** Whether it has answered the last ping. */
  private alive = true;

  constructor(
    private readonly socket: WebSocket,
    private readonly listening: EventListening,
    private readonly parts: EventStreamParts,
  ) {
    const left = listening.principal.expiresAt.getTime() - parts.clock.now().getTime();
    this.expiry = setTimeout(() => this.expire(), Math.min(left, LONGEST_TIMER_MS)).unref();
    socket.on("close", () => this.end());
    socket.on("pong", () => (this.alive = true));
    // Nothing is expected of clients, but an answer to each of their pings is owed.
    socket.on("ping", () => this.cutUnlessRead());
    // After an error it closes.
    socket.on("error", () => undefined);
  }

  get principal(): Principal {
    return this.listening.principal;
  }

  /** Never fails: what goes wrong ends the connection. */
  async start(): Promise<void> {
    await this.attempt(async () => {
      const position = await this.catchUp(await this.begin(this.listening.after));
      this.send({ type: "ready", cursor: this.cursorAt(position) });
    });
  }

  tell(events: readonly LiveEvent[]): void {
    for (const event of events) {
      this.tellOne(event);
      if (this.socket.bufferedAmount <= MAX_UNREAD_BYTES) continue;
      this.parts.feed.leave(this);
      void this.attempt(() => this.catchUp(event.position));
      return;
    }
  }

  /** Cuts a client that has not answered the ping before. */
  ping(): void {
    if (!this.alive) {
      this.socket.terminate();
      return;
    }
    this.alive = false;
    this.socket.ping();
  }

  close(code: number, reason: string): void {
    this.end();
    this.socket.close(code, reason);
  }

  private async attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.logger.warn("an event stream ended early", error instanceof Error ? error.message : undefined);
      this.close(CLOSED.failed, "events cannot be read now; come back with the last cursor");
    }
  }

  /** Tells what is behind `position`, until the feed does; from where it does. */
  private async catchUp(position: EventPosition): Promise<EventPosition> {
    let through = position;
    while (!this.ended) {
      await this.readBy();
      const read = await this.parts.history.after(through, CATCH_UP_BATCH);
      for (const event of read.events) {
        this.tellOne(event);
        await this.readBy();
      }
      if (isAfter(read.through, through)) through = read.through;
      if (!this.ended && !read.more && this.parts.feed.join(this, through)) break;
    }
    return through;
  }

  private async begin(after: EventCursor | undefined): Promise<EventPosition> {
    const now = await this.parts.history.now();
    if (!after) return now;
    const keptSince = new Date(this.parts.clock.now().getTime() - EVENTS_KEPT_MS);
    // One that is ahead was given by another database than this one is now.
    const ahead = isAfter(after.position, now);
    if (!ahead && after.at >= keptSince) return after.position;
    const position = ahead ? BEGINNING : after.position;
    this.send({
      type: "gap",
      cursor: eventCursor({ position, at: keptSince }),
      says: "events were forgotten since this cursor: what follows is what is still known, read the rest through the API",
    });
    return position;
  }

  private tellOne(event: LiveEvent): void {
    if (this.ended || !this.wants(event) || !mayHear(this.principal, event)) return;
    if (this.principal.expiresAt <= this.parts.clock.now()) this.expire();
    else this.sendText(textOf(event));
  }

  private wants({ kind }: LiveEvent): boolean {
    return this.listening.kinds?.some((pattern) => matchesEvent(pattern, kind)) ?? true;
  }

  private send(message: EventMessage): void {
    if (!this.ended) this.sendText(JSON.stringify(message));
  }

  private sendText(text: string): void {
    // What cannot be sent ends the connection, and that is heard of.
    this.socket.send(text, () => undefined);
  }

  /** Resolves when the client has read what it was sent, but for a little; or never will. */
  private async readBy(): Promise<void> {
    if (this.ended || this.socket.bufferedAmount <= CATCH_UP_UNREAD_BYTES) return;
    await new Promise<void>((resolve) => this.socket.ping(undefined, undefined, () => resolve()));
  }

  /** Of what it asked for itself, by pings of its own. */
  private cutUnlessRead(): void {
    if (this.socket.bufferedAmount > 2 * MAX_UNREAD_BYTES) this.socket.terminate();
  }

  private expire(): void {
    this.close(CLOSED.tokenExpired, "the token has expired; come back with a new one and the last cursor");
  }

  private end(): void {
    this.ended = true;
    clearTimeout(this.expiry);
    this.parts.feed.leave(this);
  }

  private cursorAt(position: EventPosition): string {
    return eventCursor({ position, at: this.parts.clock.now() });
  }
}

/** With this very token: whom it names, one of its groups, or the permission that its roles give. */
export function mayHear(principal: Principal, event: LiveEvent): boolean {
  return (
    event.principals.includes(principal.id) ||
    event.groups.some((group) => principal.groups.includes(group)) ||
    isPermitted(principal.roles, event.permission)
  );
}

// The same for everybody who hears of it.
const texts = new WeakMap<LiveEvent, string>();

function textOf(event: LiveEvent): string {
  const known = texts.get(event);
  if (known !== undefined) return known;
  const { position, at, kind, subject, data } = event;
  const message: EventMessage = {
    type: "event",
    cursor: eventCursor({ position, at }),
    at: at.toISOString(),
    kind,
    subject,
    data,
  };
  const text = JSON.stringify(message);
  texts.set(event, text);
  return text;
}
