import { status } from "@grpc/grpc-js";
import { type ConnectResponse, Era } from "@drawbridge/protocol";
import { type ControlCall, endCall, isOver, type SessionCall } from "./agent-calls.js";
import type { LinkedSession } from "./linked-session.js";
import { type CallStatus, RefusedCall } from "./refused-call.js";
import { TargetHealth } from "./target-health.js";

export interface ConnectedAgentOptions {
  readonly call: ControlCall;
  readonly agentId: string;
  readonly group: string;
  readonly epoch: number;
  /** Of the certificate the connection was made with. */
  readonly serial: string;
  readonly certificateEndsAt: Date;
  readonly keptSessions: readonly string[];
  readonly features: readonly string[];
}

interface ParkedStream {
  readonly call: SessionCall;
  readonly adopt: (session: LinkedSession) => void;
  readonly refuse: (error: RefusedCall) => void;
}

/** One agent's control stream, from welcome to its end. */
export class ConnectedAgent {
  readonly agentId: string;
  readonly group: string;
  readonly epoch: number;
  readonly serial: string;
  readonly certificateEndsAt: Date;
  /** Where it dialled from, while the connection lasts. */
  readonly peer: string;
  /** Sessions from before whose target still runs there. */
  readonly kept: Set<string>;
  /** Whether it compares the tools of a target with those that were accepted. */
  readonly checksTools: boolean;
  readonly health = new TargetHealth();
  readonly #call: ControlCall;
  readonly #parked = new Map<string, ParkedStream>();
  #lastPingAt = performance.now();
  seenWrittenAt = performance.now();

  constructor(options: ConnectedAgentOptions) {
    this.#call = options.call;
    this.agentId = options.agentId;
    this.group = options.group;
    this.epoch = options.epoch;
    this.serial = options.serial;
    this.certificateEndsAt = options.certificateEndsAt;
    this.kept = new Set(options.keptSessions);
    this.checksTools = options.features.includes("tool-pinning");
    this.peer = options.call.getPeer();
  }

  /** On the clock of `performance.now()`. */
  get lastPingAt(): number {
    return this.#lastPingAt;
  }

  get parkedCount(): number {
    return this.#parked.size;
  }

  /** Answers at once; resolves when the agent's window took the answer, so that pings cannot pile up. */
  async pong(sequence: number): Promise<void> {
    this.#lastPingAt = performance.now();
    await this.#write({ $case: "pong", value: { sequence } });
  }

  openSession(sessionId: string): void {
    void this.#write({ $case: "openSession", value: { sessionId } });
  }

  closeSession(sessionId: string, reason: string): void {
    void this.#write({ $case: "closeSession", value: { sessionId, reason } });
  }

  drain(): void {
    void this.#write({ $case: "drain", value: {} });
  }

  /** Keeps the stream of a kept session, unread, until somebody opens the session again. */
  park(sessionId: string, call: SessionCall, forMs: number): Promise<LinkedSession> {
    return new Promise((resolve, reject) => {
      const parked = { call, adopt: resolve, refuse: reject };
      const tooLong = setTimeout(() => this.#forget(sessionId, parked), forMs).unref();
      call.once("close", () => {
        clearTimeout(tooLong);
        if (this.#parked.get(sessionId) === parked) this.#parked.delete(sessionId);
        reject(new RefusedCall(status.CANCELLED, "the stream broke"));
      });
      this.#parked.set(sessionId, parked);
      // What runs there stays what it is: the definition and era of a resumed session are not used.
      call.write({ frame: { $case: "open", value: { target: undefined, era: Era.UNSPECIFIED } } });
    });
  }

  /** The parked stream of a session, which is the caller's from now on. */
  unpark(sessionId: string): ParkedStream | undefined {
    const parked = this.#parked.get(sessionId);
    this.#parked.delete(sessionId);
    return parked;
  }

  end(reason: CallStatus): void {
    for (const { refuse } of this.#parked.values())
      refuse(new RefusedCall(status.UNAVAILABLE, reason.details));
    this.#parked.clear();
    endCall(this.#call, reason);
  }

  #forget(sessionId: string, parked: ParkedStream): void {
    if (this.#parked.get(sessionId) !== parked) return;
    this.#parked.delete(sessionId);
    this.kept.delete(sessionId);
    parked.refuse(new RefusedCall(status.NOT_FOUND, "nobody used the session any more"));
  }

  async #write(frame: NonNullable<ConnectResponse["frame"]>): Promise<void> {
    if (isOver(this.#call)) return;
    await new Promise<void>((resolve) => this.#call.write({ frame }, () => resolve()));
  }
}
