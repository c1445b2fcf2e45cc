import { Injectable, Logger, type OnModuleDestroy } from "@nestjs/common";
import { AccessRequestsRepository } from "./access-requests.repository.js";

const LOOK_EVERY_MS = 500;

/** Waits for requests to be decided, wherever that happens: one look for all that wait. */
@Injectable()
export class RequestWatch implements OnModuleDestroy {
  private readonly logger = new Logger("access");
  private readonly waiting = new Map<string, Set<() => void>>();
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;

  constructor(private readonly requests: AccessRequestsRepository) {}

  /** Resolves when it is pending no more, or when `signal` aborts. */
  async decided(id: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done);
        this.forget(id, done);
        resolve();
      };
      signal.addEventListener("abort", done);
      const others = this.waiting.get(id) ?? new Set();
      this.waiting.set(id, others.add(done));
      this.timer ??= setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
      void this.look();
    });
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
    for (const done of [...this.waiting.values()].flatMap((each) => [...each])) done();
  }

  private look(): Promise<void> {
    this.looking ??= this.lookOnce().finally(() => (this.looking = undefined));
    return this.looking;
  }

  private async lookOnce(): Promise<void> {
    try {
      for (const id of await this.requests.decidedOf([...this.waiting.keys()]))
        for (const done of this.waiting.get(id) ?? []) done();
    } catch (error) {
      this.logger.warn(
        "whether requests are decided cannot be read",
        error instanceof Error ? error.message : undefined,
      );
    }
  }

  private forget(id: string, done: () => void): void {
    const others = this.waiting.get(id);
    others?.delete(done);
    if (others?.size === 0) this.waiting.delete(id);
    if (this.waiting.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
