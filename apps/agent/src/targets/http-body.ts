import type { Dispatcher } from "undici";

/** What may wait before the connection is not read any more. One read can come after that. */
const HIGH_WATER_BYTES = 64 * 1024;
/** A body nobody wants is read to its end while it is this small, so that its connection can be used again. */
const DISCARDED_BYTES = 128 * 1024;

/** The body of one answer, as it comes over the connection. What came waits here until somebody takes it. */
export class HttpBody {
  readonly #controller: Dispatcher.DispatchController;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #end: "complete" | Error | undefined;
  #wake: (() => void) | undefined;

  constructor(controller: Dispatcher.DispatchController) {
    this.#controller = controller;
  }

  // ── from the connection ────────────────────────────────────────────────────────────────────────────────────────

  push(chunk: Uint8Array): void {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes > HIGH_WATER_BYTES) this.#controller.pause();
    this.#wake?.();
  }

  /** With the error that broke it off, or without one when it came whole. */
  end(error?: Error): void {
    this.#end ??= error ?? "complete";
    this.#wake?.();
  }

  // ── to whoever reads it ────────────────────────────────────────────────────────────────────────────────────────

  /** What has come since, at once; nothing when all of it was taken. Throws what broke the body off, after all before. */
  take(): readonly Uint8Array[] {
    if (this.#waiting.length === 0 && this.#end instanceof Error) throw this.#end;
    const taken = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (this.#controller.paused) this.#controller.resume();
    return taken;
  }

  /** True when it came whole and all of it was taken. */
  get isExhausted(): boolean {
    return this.#end === "complete" && this.#waiting.length === 0;
  }

  /** Resolves when there is more to take, or nothing more will come. One reader at a time. */
  async more(): Promise<void> {
    if (this.#waiting.length > 0 || this.#end !== undefined) return;
    await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = undefined;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      yield* this.take();
      if (this.isExhausted) return;
      await this.more();
    }
  }

  /** Closes the connection unless the body came whole. */
  abort(): void {
    if (this.#end === undefined) this.#controller.abort(new Error("the rest of the body is not wanted"));
  }

  /** Never throws: whatever it was is of no interest. */
  async discard(): Promise<void> {
    try {
      for (let bytes = 0; ;) {
        for (const chunk of this.take()) bytes += chunk.length;
        if (this.isExhausted || bytes > DISCARDED_BYTES) return;
        await this.more();
      }
    } catch {
      // It broke off.
    } finally {
      this.abort();
    }
  }
}
