import type { McpRequest } from "@drawbridge/mcp";
import type { EndLeg } from "../../approvals/index.js";
import type { Principal } from "../../identity/index.js";
import type { EndOfWaiting, Exchange, HeldExchange } from "../sessions/gateway-session.js";
import type { Incoming } from "../traffic/incoming.js";
import type { Delivery } from "./delivery.js";

// A timer that is set for longer fires at once.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What a leg is made from. */
export interface NewLeg {
  readonly incoming: Incoming<McpRequest>;
  readonly exchange: Exchange;
  readonly delivery: Delivery;
  readonly awaits: HeldExchange["awaits"];
  /** Of what it waits for. */
  readonly id: string;
  /** Of the tool as it was accepted when the first leg came. */
  readonly toolDigest: Uint8Array | undefined;
  /** 1 for the first; of those that come back by requestState more. */
  readonly number: number;
  readonly beforeTokenExpiresMs: number;
  /** Says that the caller is there, until what it returns is called. */
  readonly attend: () => EndLeg;
}

/**
 * One open request of a caller that waits for people. The caller is there while its connection is; one that was given an
 * id to come back with (2025-11-25, Last-Event-ID) may be away for a while.
 */
export class Leg implements HeldExchange {
  readonly exchange: Exchange;
  readonly awaits: HeldExchange["awaits"];
  readonly id: string;
  readonly number: number;
  readonly toolDigest: Uint8Array | undefined;
  readonly comesBackBy: Delivery["comesBackBy"];
  private shown: Incoming<McpRequest>;
  private reason: EndOfWaiting | undefined;
  private moved = Promise.withResolvers<void>();
  private isClosed = false;
  private leave: EndLeg | undefined;
  private leaving: Promise<void> | undefined;
  private readonly late: NodeJS.Timeout;
  private expiring: NodeJS.Timeout;

  constructor(private readonly options: NewLeg) {
    this.exchange = options.exchange;
    this.awaits = options.awaits;
    this.id = options.id;
    this.toolDigest = options.toolDigest;
    this.number = options.number;
    this.comesBackBy = options.delivery.comesBackBy;
    this.shown = options.incoming;
    this.late = setTimeout(
      () => this.end({ why: "late" }),
      Math.min(options.delivery.legMs, LONGEST_TIMER_MS),
    );
    this.expiring = this.untilTokenExpires();
    this.arrive();
  }

  /** The request, with the token that its caller showed last. */
  get incoming(): Incoming<McpRequest> {
    return this.shown;
  }

  /** Why it does not wait any longer; undefined while it does. */
  get over(): EndOfWaiting | undefined {
    return this.reason;
  }

  /** Whether its caller could hear an answer in this moment. */
  get isThere(): boolean {
    return !this.reason && this.hasCaller;
  }

  /** The same while it runs what was approved: that it has become late meanwhile is no reason to begin again. */
  get isStillThere(): boolean {
    return this.isThere || (this.reason?.why === "late" && this.hasCaller);
  }

  private get hasCaller(): boolean {
    return !this.isClosed && !this.exchange.cancelled && this.exchange.reply.open && this.mayAct;
  }

  /** Timers may be late, and a run that has begun takes its time: nothing runs with a token that has expired. */
  private get mayAct(): boolean {
    return this.shown.principal.expiresAt.getTime() > Date.now();
  }

  /** Resolves when it is over, or its caller has left or come back. */
  get stirs(): Promise<void> {
    return this.moved.promise;
  }

  end(reason: EndOfWaiting): void {
    if (this.reason) return;
    this.reason = reason;
    this.stir();
  }

  returned(principal: Principal): void {
    this.shown = { ...this.shown, principal, reply: this.exchange.reply };
    clearTimeout(this.expiring);
    this.expiring = this.untilTokenExpires();
    this.arrive();
    this.stir();
  }

  /** Whoever waits has to look again. */
  stir(): void {
    const { resolve } = this.moved;
    this.moved = Promise.withResolvers<void>();
    resolve();
  }

  /** Resolves when it is known that the caller is not there by this leg any more. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.late);
    clearTimeout(this.expiring);
    this.depart();
    await this.leaving;
  }

  private arrive(): void {
    const { reply } = this.exchange;
    this.leave ??= this.options.attend();
    reply.whenClosed(() => {
      if (reply === this.exchange.reply) this.disconnected();
    });
  }

  private disconnected(): void {
    if (this.isClosed) return;
    this.depart();
    // At 2026-07-28 that is how a client cancels. Others may have done so before anybody knew that it would wait.
    const isUnwanted = this.options.incoming.session.era === "modern" || this.exchange.cancelled;
    if (isUnwanted) this.end({ why: "unwanted" });
    else if (!this.exchange.reply.resumable) this.end({ why: "left" });
    this.stir();
  }

  private depart(): void {
    const { leave } = this;
    this.leave = undefined;
    // Who could not be told sees it in a minute.
    if (leave) this.leaving = leave().catch(() => undefined);
  }

  private untilTokenExpires(): NodeJS.Timeout {
    const left = this.shown.principal.expiresAt.getTime() - Date.now() - this.options.beforeTokenExpiresMs;
    return setTimeout(() => this.end({ why: "late" }), Math.min(Math.max(0, left), LONGEST_TIMER_MS));
  }
}
