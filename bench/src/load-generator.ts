import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { program } from "./programs.js";

export interface LoadWish {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Each is one MCP session with one call under way at any time. */
  readonly sessions: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** The params of `tools/call`. */
  readonly call: unknown;
}

export interface LoadOutcome {
  /** One result, to look at what arrives. */
  readonly sample: string;
  readonly elapsedMs: number;
  /** Every tool call that was answered, those of the warm-up too. */
  readonly answered: number;
  readonly latenciesMs: Float64Array;
}

interface Report {
  begins?: number;
  outcome?: LoadOutcome;
  failure?: string;
}

/** The process that makes the calls. Ends with this one. */
export class LoadGenerator {
  readonly #child: ChildProcess;
  readonly #died: Promise<never>;

  constructor() {
    this.#child = fork(program("load"), { execPath: process.execPath, execArgv: [], serialization: "advanced" });
    this.#died = once(this.#child, "exit").then(([code]) => {
      throw new Error(`the load generator ended with code ${code}`);
    });
    this.#died.catch(() => {}); // it may also end because it was told to
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /**
   * Opens the sessions, warms up, measures, closes the sessions. `onBegin` is called when the warm-up is over.
   * @throws the first answer that is not a result
   */
  async run(wish: LoadWish, onBegin: () => void = () => {}): Promise<LoadOutcome> {
    const outcome = new Promise<LoadOutcome>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const onMessage = (report: Report): void => {
        if (report.begins !== undefined) {
          timer = setTimeout(onBegin, report.begins);
          return;
        }
        clearTimeout(timer);
        this.#child.off("message", onMessage);
        if (report.outcome) resolve(report.outcome);
        else reject(new Error(report.failure ?? "the load generator said nothing"));
      };
      this.#child.on("message", onMessage);
    });
    this.#child.send(wish);
    return Promise.race([outcome, this.#died]);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.disconnect();
    await exited;
  }
}
