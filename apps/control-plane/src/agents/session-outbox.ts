import type { SessionResponse } from "@drawbridge/protocol";
import type { SessionCall } from "./agent-calls.js";
import { AgentUnavailableError } from "./session-link.js";

type Frame = NonNullable<SessionResponse["frame"]>;

interface Entry {
  readonly frame: Frame;
  /** 0: no request, so the agent would not notice that it came twice. */
  readonly exchange: number;
  /** True once a stream took it: from then on nobody can say that it was not sent. */
  isHanded: boolean;
  writtenAt: number;
  readonly resolve: () => void;
  readonly reject: (error: AgentUnavailableError) => void;
}

const MAX_WAITING = 256;

/**
 * What a session has to say to its agent, in order, while its stream comes and goes. One frame is in the stream's hands
 * at a time: its window decides the pace. The wire does not acknowledge, so a request that was written shortly before a
 * stream broke is written again on the next one; the agent knows it by its exchange and runs it once. Nothing else is
 * ever written twice.
 */
export class SessionOutbox {
  readonly #repeatMs: number;
  #call: SessionCall | undefined;
  #waiting: Entry[] = [];
  #writing: Entry | undefined;
  #hasWritten = false;
  readonly #unanswered = new Map<number, Entry>();

  constructor(repeatMs: number) {
    this.#repeatMs = repeatMs;
  }

  /** True once a stream took a frame. */
  get hasWritten(): boolean {
    return this.#hasWritten;
  }

  get isFull(): boolean {
    return this.#waiting.length >= MAX_WAITING;
  }

  /** Resolves when a stream took the frame; rejects when it certainly was not sent. */
  push(frame: Frame, exchange: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ frame, exchange, isHanded: false, writtenAt: 0, resolve, reject });
      this.#flush();
    });
  }

  /** Takes back a request that no stream took. False when it is too late for that. */
  withdraw(exchange: number, reason: string): boolean {
    const index = this.#waiting.findIndex((entry) => entry.exchange === exchange && !entry.isHanded);
    const [entry] = index === -1 ? [] : this.#waiting.splice(index, 1);
    entry?.reject(new AgentUnavailableError(reason));
    return entry !== undefined;
  }

  /** The exchange has ended: its request is not repeated. */
  answered(exchange: number): void {
    this.#unanswered.delete(exchange);
    this.#waiting = this.#waiting.filter((entry) => entry.exchange !== exchange || !entry.isHanded);
  }

  connect(call: SessionCall): void {
    this.disconnect();
    this.forgetConfirmed();
    const repeated = [...this.#unanswered.values()].filter((entry) => !this.#waiting.includes(entry));
    this.#waiting = [...repeated, ...this.#waiting];
    this.#call = call;
    this.#flush();
  }

  disconnect(): void {
    this.#call = undefined;
    const lost = this.#writing;
    this.#writing = undefined;
    if (!lost) return;
    if (lost.exchange === 0) lost.resolve();
    else this.#waiting.unshift(lost);
  }

  /** Lets go of requests that must have arrived by now. */
  forgetConfirmed(): void {
    const oldest = performance.now() - this.#repeatMs;
    for (const [exchange, entry] of this.#unanswered) {
      if (entry.writtenAt < oldest && !this.#waiting.includes(entry)) this.#unanswered.delete(exchange);
    }
  }

  /** Settles everybody who waits. */
  close(reason: string): void {
    this.disconnect();
    for (const entry of this.#waiting.splice(0)) {
      if (entry.isHanded) entry.resolve();
      else entry.reject(new AgentUnavailableError(reason));
    }
    this.#unanswered.clear();
  }

  #flush(): void {
    const call = this.#call;
    if (!call || this.#writing) return;
    const entry = this.#waiting.shift();
    if (!entry) return;
    this.#writing = entry;
    entry.isHanded = true;
    this.#hasWritten = true;
    call.write({ frame: entry.frame }, (error?: Error | null) => {
      if (error || this.#writing !== entry || this.#call !== call) return;
      this.#writing = undefined;
      this.#taken(entry);
      this.#flush();
    });
  }

  #taken(entry: Entry): void {
    entry.writtenAt = performance.now();
    if (entry.exchange !== 0) this.#unanswered.set(entry.exchange, entry);
    entry.resolve();
  }
}
