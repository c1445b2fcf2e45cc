import { Injectable, type OnModuleDestroy, type OnModuleInit } from "@nestjs/common";
import { LiveLocks } from "../locks/index.js";
import { Clock } from "../platform/clock.js";
import { EpochWatch } from "../platform/epoch-watch.js";
import { DomainError } from "../platform/errors.js";
import { CLOSED, type EventStream } from "./event-stream.js";

const IN_ALL = 1_000;
const OF_A_PRINCIPAL = 20;
const PING_EVERY_MS = 30_000;

/** The event streams of this process: how many there may be, and what ends them. */
@Injectable()
export class OpenEventStreams implements OnModuleInit, OnModuleDestroy {
  private readonly streams = new Set<EventStream>();
  private readonly pings = setInterval(() => this.pingAll(), PING_EVERY_MS).unref();
  private stopping = false;

  constructor(
    private readonly locks: LiveLocks,
    private readonly epoch: EpochWatch,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.epoch.onChange((epoch) => this.closeLocked(epoch));
  }

  onModuleDestroy(): void {
    this.stopping = true;
    clearInterval(this.pings);
    for (const stream of this.streams) stream.close(CLOSED.goingAway, "the control plane stops");
  }

  /** @throws DomainError too_many_event_streams */
  requireRoom(principalId: string): void {
    if (this.stopping || this.streams.size >= IN_ALL)
      throw new DomainError("too_many_event_streams", "there are too many event streams; come back later");
    const theirs = [...this.streams].filter(({ principal }) => principal.id === principalId);
    if (theirs.length >= OF_A_PRINCIPAL)
      throw new DomainError(
        "too_many_event_streams",
        `you have ${OF_A_PRINCIPAL} event streams open; close one`,
      );
  }

  add(stream: EventStream): void {
    this.streams.add(stream);
  }

  delete(stream: EventStream): void {
    this.streams.delete(stream);
  }

  pingAll(): void {
    for (const stream of this.streams) stream.ping();
  }

  /** Those whose principal or client is locked at `epoch` or later. */
  async closeLocked(epoch: bigint): Promise<void> {
    const { value } = await this.locks.atLeast(epoch);
    const now = this.clock.now();
    for (const stream of this.streams) {
      const { id, client } = stream.principal;
      if (value.on({ principal: id, client }, now)) stream.close(CLOSED.locked, "locked");
    }
  }
}
