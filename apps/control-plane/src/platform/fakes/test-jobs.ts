import type { Jobs } from "../jobs.js";

/** Jobs that run when a test says so. */
export class TestJobs {
  private readonly handlers = new Map<string, () => Promise<void>>();

  repeat(name: string, _everyMs: number, handler: () => Promise<void>): void {
    this.handlers.set(name, handler);
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
