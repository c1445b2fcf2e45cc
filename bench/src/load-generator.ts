import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { program } from "./programs.js";

/** legacy: initialize and a session each (2025-11-25). modern: no sessions, every request stands alone (2026-07-28). */
export const ERAS = ["legacy", "modern"] as const;
export type Era = (typeof ERAS)[number];

export interface LoadWish {
  readonly url: string;
  /** Streamable HTTP unless it says `sse`: HTTP with server-sent events, the transport of 2024. */
  readonly transport?: "sse";
  readonly era: Era;
  readonly headers: Readonly<Record<string, string>>;
  /** Each is one client, in the legacy era with an MCP session, with one call under way at any time. */
  readonly sessions: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** The params of `tools/call`. */
  readonly call: { readonly name: string; readonly arguments: object };
}

export interface LoadOutcome {
  /** One result, to look at what arrives. */
  readonly sample: string;
  readonly elapsedMs: number;
  /** Every tool call that was answered, those of the warm-up too. */
  readonly answered: number;
  readonly latenciesMs: Float64Array;
}

/** What to do at the moments between which is measured. */
export interface Moments {
  onBegin?: () => unknown;
  /** All calls are answered; the sessions are closed after it has resolved. */
  onEnd?: () => unknown;
}

type Report =
  | { kind: "begins"; inMs: number }
  | { kind: "ends" }
  | { kind: "done"; outcome: LoadOutcome }
  | { kind: "failed"; message: string };

/** The process that makes the calls. Ends with this one. */
export class LoadGenerator {
  readonly #child: ChildProcess;
  readonly #died: Promise<never>;

  constructor() {
    this.#child = fork(program("load"), {
      execPath: process.execPath,
      execArgv: [],
      serialization: "advanced",
    });
    this.#died = once(this.#child, "exit").then(([code]) => {
      throw new Error(`the load generator ended with code ${code}`);
    });
    this.#died.catch(() => {}); // it may also end because it was told to
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /**
   * Opens the sessions, warms up, measures, closes the sessions.
   * @throws the first answer that is not a result
   */
  async run(wish: LoadWish, moments: Moments = {}): Promise<LoadOutcome> {
    const outcome = Promise.withResolvers<LoadOutcome>();
    const onMessage = (report: Report): void => {
      if (report.kind === "begins") setTimeout(() => moments.onBegin?.(), report.inMs).unref();
      else if (report.kind === "ends") void this.#atEnd(moments).catch(outcome.reject);
      else if (report.kind === "done") outcome.resolve(report.outcome);
      else outcome.reject(new Error(report.message));
    };
    this.#child.on("message", onMessage);
    this.#child.send(wish);
    try {
      return await Promise.race([outcome.promise, this.#died]);
    } finally {
      this.#child.off("message", onMessage);
    }
  }

  async #atEnd({ onEnd }: Moments): Promise<void> {
    await onEnd?.();
    this.#child.send("close");
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.disconnect();
    await exited;
  }
}
