import { type GuardedChild, spawnGuarded } from "@drawbridge/embedded";
import { eventually } from "@drawbridge/testing";

export interface ProgramOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** All of it: nothing of the test's own environment is passed on. */
  readonly env: Record<string, string>;
  readonly cwd: string;
}

const STOP_WITHIN_MS = 15_000;

/** One program of the system, which can be killed and started again. It ends when the test process does. */
export class Program {
  readonly name: string;
  /** Everything it has written so far, to stdout and stderr, over all its starts. */
  readonly lines: string[] = [];
  readonly #options: ProgramOptions;
  #child: GuardedChild | undefined;
  #exited: GuardedChild["exited"] | undefined;

  constructor(options: ProgramOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get output(): string {
    return this.lines.join("\n");
  }

  get pid(): number {
    if (this.#child === undefined) throw new Error(`${this.name} does not run`);
    return this.#child.pid;
  }

  get runs(): boolean {
    return this.#child !== undefined;
  }

  /** Resolves when it is started, not when it is ready. */
  async start(): Promise<void> {
    if (this.#child !== undefined) throw new Error(`${this.name} runs already`);
    this.#child = await spawnGuarded({
      ...this.#options,
      stopSignal: "TERM",
      onLine: (line) => this.lines.push(line),
    });
    const child = this.#child;
    this.#exited = child.exited;
    void child.exited.then(() => {
      if (this.#child === child) this.#child = undefined;
    });
  }

  /** Asks until `attempt` does not throw. @throws at once when the program has ended, with what it said last */
  until<T>(attempt: () => Promise<T>, timeoutMs: number): Promise<T> {
    const child = this.#child;
    const ended = child?.exited.then(({ code }) => {
      throw new Error(`${this.name} ended with code ${code}:\n${this.lines.slice(-20).join("\n")}`);
    });
    const tried = eventually(attempt, { timeoutMs, intervalMs: 50 });
    return ended === undefined ? tried : Promise.race([tried, ended]);
  }

  /** The exit code of its last start, once it has ended by itself. */
  async ended(): Promise<number> {
    if (this.#exited === undefined) throw new Error(`${this.name} was never started`);
    return (await this.#exited).code;
  }

  /** Starts it and waits for its end. */
  async run(): Promise<{ code: number; output: string }> {
    await this.start();
    return { code: await this.ended(), output: this.output };
  }

  /** kill -9; resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    process.kill(child.pid, "SIGKILL");
    await child.exited;
  }

  /** Asks it to end, as an init system would. */
  async stop(): Promise<void> {
    await this.#child?.stop(STOP_WITHIN_MS);
  }
}
