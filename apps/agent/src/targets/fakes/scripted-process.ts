import type { ServerProcess, ServerProcessListener } from "../server-process.js";

/** A process whose stdout is up to the test. It takes what it is sent and, like a pipe, gives nothing while it is paused. */
export class ScriptedProcess {
  spoke = false;
  wasCalled = false;
  /** What it has not read, as the test wants it. */
  backlogBytes = 0;
  readonly written: string[] = [];
  readonly #listener: ServerProcessListener;
  readonly #unread: Buffer[] = [];
  #isPaused = false;

  constructor(listener: ServerProcessListener) {
    this.#listener = listener;
  }

  /** As the real one, of which it has all that targets use. */
  get asServerProcess(): ServerProcess {
    return this as unknown as ServerProcess;
  }

  /** Everything it wrote has been read. */
  get isRead(): boolean {
    return this.#unread.length === 0 && !this.#isPaused;
  }

  says(chunk: Uint8Array): void {
    this.#unread.push(Buffer.from(chunk));
    this.#flow();
  }

  ends(reason: string): void {
    this.#listener.ended(reason);
  }

  write(bytes: Uint8Array): void {
    this.written.push(Buffer.from(bytes).toString());
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#flow();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #flow(): void {
    while (!this.#isPaused) {
      const chunk = this.#unread.shift();
      if (!chunk) return;
      this.#listener.stdout(chunk);
    }
  }
}
