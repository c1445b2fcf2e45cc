import type { Jobs } from "../jobs.js";

/** Jobs that run when a test says so. */
export class TestJobs {
  private readonly handlers = new Map<string, () => Promise<void>>();

  repeat(name: string, _everyMs: number, handler: () => Promise<void>): void {
    this.handlers.set(name, handler);
  }

  /** What was put off: name, subject and delay. */
  readonly putOff: { readonly name: string; readonly subject: string; readonly delayMs: number }[] = [];
  private readonly handled = new Map<string, (subject: string) => Promise<void>>();

  handle(name: string, handler: (subject: string) => Promise<void>): void {
    this.handled.set(name, handler);
  }

  async later(name: string, subject: string, delayMs: number): Promise<void> {
    this.putOff.push({ name, subject, delayMs });
  }

  /** What was put off happens now. */
  async runLater(name: string, subject: string): Promise<void> {
    const handler = this.handled.get(name);
    if (!handler) throw new Error(`nobody handles the job ${name}`);
    await handler(subject);
  }

  sweep(name: string, everyMs: number, handler: () => Promise<void>): void {
    this.repeat(name, everyMs, handler);
  }

  async run(name: string): Promise<void> {
    const handler = this.handlers.get(name);
    if (!handler) throw new Error(`nobody handles the job ${name}`);
    await handler();
  }

  /** As the class that providers ask for. */
  get jobs(): Jobs {
    return this as unknown as Jobs;
  }
}
