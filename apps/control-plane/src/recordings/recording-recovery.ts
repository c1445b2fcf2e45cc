import { Inject, Injectable, Logger, type OnApplicationBootstrap } from "@nestjs/common";
import type { RecordedEvent } from "@drawbridge/recording";
import { CONFIG, type Config } from "../config.js";
import { Clock } from "../platform/clock.js";
import { type OpenExchange, RecordingEventsRepository } from "./recording-events.repository.js";
import { RecordingWriter } from "./recording-writer.js";
import { RecordingsRepository } from "./recordings.repository.js";

/** What began or closed this recently is left to those who work on it. */
const GRACE_MS = 60_000;
const PAGE = 500;
const NOTHING: ReadonlySet<string> = new Set();
const BEFORE_ALL = "00000000-0000-0000-0000-000000000000";

/** Whether this process still works on the exchange: its end is neither durable nor owed to the RecordingWriter. */
export type InFlight = (recordingId: string, exchange: number) => boolean;

/** The exchanges that wait for people and were not sent, whichever process they are at, if at any. */
export type Held = () => Promise<readonly { readonly sessionId: string; readonly exchange: number }[]>;

/**
 * What is known of an exchange that was allowed to run and has no end: whether it was sent, or nobody knows. Undefined while
 * that may still change.
 */
export type Fate = "not sent" | "not known" | undefined;
export type FateOf = (exchange: { readonly sessionId: string; readonly exchange: number }) => Promise<Fate>;

/**
 * Finds what a crash left open: calls without an answer get `outcome_unknown` (a call is never repeated, and nobody
 * may believe that it did not happen; of what was never allowed it is certain), and recordings of closed sessions get their end.
 *
 * One control plane knows all that is in flight. With several (REDIS_URL is set) a call that is not in flight here may
 * be in flight at another, so there only the recordings of closed sessions are looked at: a call that a dead replica
 * left is told when its session ends.
 */
@Injectable()
export class RecordingRecovery implements OnApplicationBootstrap {
  private readonly logger = new Logger("recordings");
  private readonly startedAt: Date;
  private readonly severalReplicas: boolean;
  private inFlight: InFlight | undefined;
  private held: Held = () => Promise.resolve([]);
  private fateOf: FateOf = () => Promise.resolve("not known");

  constructor(
    private readonly events: RecordingEventsRepository,
    private readonly recordings: RecordingsRepository,
    private readonly writer: RecordingWriter,
    private readonly clock: Clock,
    @Inject(CONFIG) config: Config,
  ) {
    this.startedAt = clock.now();
    this.severalReplicas = config.redisUrl !== undefined;
  }

  /** Until it is told, only what is older than this process counts as left behind. */
  setInFlight(inFlight: InFlight): void {
    this.inFlight = inFlight;
  }

  /** What waits for people is left to them. */
  setHeld(held: Held): void {
    this.held = held;
  }

  /** What is to run with an approval was not sent unless it took that. */
  setFateOf(fateOf: FateOf): void {
    this.fateOf = fateOf;
  }

  /** The first sweep waits for no queue; nor does the start wait for it. */
  onApplicationBootstrap(): void {
    this.sweep().catch((error: unknown) => {
      this.logger.error(
        "the first sweep of recordings failed",
        error instanceof Error ? error.stack : undefined,
      );
    });
  }

  async sweep(): Promise<void> {
    await this.recordings.alone(async () => {
      await this.tellUnknownOutcomes();
      await this.endClosed();
    });
  }

  private async tellUnknownOutcomes(): Promise<void> {
    let after = { recordingId: BEFORE_ALL, exchange: 0 };
    for (;;) {
      const page = await this.events.openExchanges({
        after,
        before: this.leftBehindBefore(),
        closedSessionsOnly: this.severalReplicas,
        limit: PAGE,
      });
      // Asked in this order: what is not held now was let go before, what is not in flight now has its end stored by now, or
      // will never have one.
      const waiting = page.length > 0 ? await this.keysOfHeld() : NOTHING;
      const idle = page.filter((exchange) => !waiting.has(keyOf(exchange)) && !this.isWorkedOn(exchange));
      const left = await this.events.stillOpen(idle);
      const unsent = new Set((await this.events.neverAllowed(left)).map(keyOf));
      await Promise.all(
        left.map((exchange) =>
          this.attempt(exchange.recordingId, () => this.tell(exchange, unsent.has(keyOf(exchange)))),
        ),
      );
      const last = page.at(-1);
      if (page.length < PAGE || !last) return;
      after = last;
    }
  }

  private async endClosed(): Promise<void> {
    let after = BEFORE_ALL;
    for (;;) {
      const page = await this.recordings.closedNotEnded(after, this.leftBehindBefore(), PAGE);
      const idle = page.filter(({ id }) => !this.writer.isPending(id));
      const settled = await this.events.withoutOpenExchanges(idle.map(({ id }) => id));
      await Promise.all(idle.filter(({ id }) => settled.has(id)).map((session) => this.end(session)));
      const last = page.at(-1);
      if (page.length < PAGE || !last) return;
      after = last.id;
    }
  }

  private leftBehindBefore(): Date {
    if (!this.inFlight && !this.severalReplicas) return this.startedAt;
    const grace = new Date(this.clock.now().getTime() - GRACE_MS);
    return this.severalReplicas || grace > this.startedAt ? grace : this.startedAt;
  }

  private isWorkedOn({ recordingId, exchange }: OpenExchange): boolean {
    return this.inFlight?.(recordingId, exchange) === true || this.writer.isPending(recordingId, exchange);
  }

  private async keysOfHeld(): Promise<ReadonlySet<string>> {
    const held = await this.held();
    return new Set(held.map(({ sessionId, exchange }) => keyOf({ recordingId: sessionId, exchange })));
  }

  private async tell(exchange: OpenExchange, wasNeverAllowed: boolean): Promise<void> {
    const { recordingId: sessionId, exchange: number } = exchange;
    const fate = wasNeverAllowed ? "not sent" : await this.fateOf({ sessionId, exchange: number });
    if (fate) await this.tellEnd(exchange, fate);
  }

  /** What was never allowed, or has not taken its approval, has not left the control plane. */
  private async tellEnd({ recordingId, exchange }: OpenExchange, fate: NonNullable<Fate>): Promise<void> {
    const isUnsent = fate === "not sent";
    const reason = isUnsent
      ? "the request was not allowed before the control plane stopped, or nobody waited for it any more"
      : "the control plane or agent stopped before an answer came";
    const event: RecordedEvent = {
      kind: isUnsent ? "not_sent" : "outcome_unknown",
      direction: "none",
      exchange,
      at: this.clock.now().getTime(),
      attributes: { reason },
      payload: new Uint8Array(),
    };
    await this.writer.append({ recordingId, event });
  }

  private async end({ id, closeReason }: { id: string; closeReason: string | null }): Promise<void> {
    const event: RecordedEvent = {
      kind: "session_closed",
      direction: "none",
      exchange: 0,
      at: this.clock.now().getTime(),
      attributes: { reason: closeReason ?? "closed" },
      payload: new Uint8Array(),
    };
    await this.attempt(id, () => this.writer.close(id, event));
  }

  /** One recording that cannot be written does not keep the others from recovery; the next sweep tries again. */
  private async attempt(recordingId: string, write: () => Promise<unknown>): Promise<void> {
    try {
      await write();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.logger.warn("a recording could not be recovered", { recordingId, reason });
    }
  }
}

function keyOf({ recordingId, exchange }: Pick<OpenExchange, "recordingId" | "exchange">): string {
  return `${recordingId} ${exchange}`;
}
