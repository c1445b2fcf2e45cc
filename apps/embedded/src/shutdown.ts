interface Part {
  name: string;
  stop: () => Promise<unknown>;
  kill?: (() => void) | undefined;
}

/** npm and the terminal both pass Ctrl-C on, so one press arrives more than once within moments. */
const SAME_PRESS_MS = 1_000;

/** Stops what was started, in reverse order, once; a second Ctrl-C ends it by force. */
export class Shutdown {
  readonly #parts: Part[] = [];
  readonly #say: (text: string) => void;
  #stopping: Part | undefined;
  #startedAt: number | undefined;
  #done: Promise<void> | undefined;

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  get isUnderWay(): boolean {
    return this.#startedAt !== undefined;
  }

  /** Registers what has just been started. */
  add(part: Part): void {
    this.#parts.push(part);
  }

  /** For a signal: stops everything, then ends the process with the code. */
  request(code: number): void {
    if (this.#startedAt !== undefined) {
      if (Date.now() - this.#startedAt < SAME_PRESS_MS) return;
      for (const part of [...this.#parts, this.#stopping]) part?.kill?.();
      this.#say("stopped by force");
      process.exit(code);
    }
    this.#say("stopping (Ctrl-C again ends everything at once)");
    void this.run().then(() => process.exit(code));
  }

  /** Stops everything; resolves when no process is left. */
  run(): Promise<void> {
    this.#startedAt ??= Date.now();
    this.#done ??= this.#stopAll();
    return this.#done;
  }

  async #stopAll(): Promise<void> {
    // What is added meanwhile, by a step that was just ending, is stopped too.
    for (let part = this.#parts.pop(); part !== undefined; part = this.#parts.pop()) {
      this.#stopping = part;
      try {
        await part.stop();
      } catch (error) {
        this.#say(
          `${part.name} did not stop well: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
  }
}
