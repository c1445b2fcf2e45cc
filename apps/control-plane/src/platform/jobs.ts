import { randomUUIDv7 } from "node:crypto";
import { Inject, Injectable, Logger, type OnModuleDestroy } from "@nestjs/common";
import {
  type ConnectionOptions,
  createPostgresBackend,
  createPostgresRelayBackend,
  Queue,
  Relay,
  Worker,
} from "bullmq";
import { CONFIG, type Config } from "../config.js";

const QUEUE = "maintenance";
// Migrated and granted by platform/migrations.ts; the application role cannot create schemas.
const SCHEMA = "jobs";

/**
 * Work that some replica must do now and then, once for all of them, on BullMQ: its Postgres backend by default, Redis
 * when REDIS_URL is set. A job only wakes a handler; what is to do is read from Postgres, so a lost queue loses nothing.
 */
@Injectable()
export class Jobs implements OnModuleDestroy {
  private readonly logger = new Logger("jobs");
  private readonly repeated = new Map<string, { everyMs: number; handler: () => Promise<void> }>();
  private readonly sweeps = new Map<string, { everyMs: number; handler: () => Promise<void> }>();
  private readonly sweeping: NodeJS.Timeout[] = [];
  private readonly handled = new Map<string, (subject: string) => Promise<void>>();
  private readonly queue: Queue;
  private worker: Worker | undefined;

  constructor(@Inject(CONFIG) private readonly config: Config) {
    const { connection, factory } = backendOf(config);
    this.queue = new Queue(QUEUE, { connection } as never, factory as never);
    this.queue.on("error", (error) => this.logger.warn("the job queue does not answer", error.message));
  }

  /** Runs `handler` every `everyMs` on one of the replicas, from `start` on. One handler a name. */
  repeat(name: string, everyMs: number, handler: () => Promise<void>): void {
    this.repeated.set(name, { everyMs, handler });
  }

  /**
   * Runs `handler` every `everyMs` in each process, from `start` on, whatever becomes of the queue: for what must happen
   * soon although a job was lost, or is stuck with a process that was killed. It has to be harmless when several do it.
   */
  sweep(name: string, everyMs: number, handler: () => Promise<void>): void {
    this.sweeps.set(name, { everyMs, handler });
  }

  /** What a job that was put off does. One handler a name. */
  handle(name: string, handler: (subject: string) => Promise<void>): void {
    this.handled.set(name, handler);
  }

  /**
   * Runs the handler of `name` about `subject` in `delayMs`, on one of the replicas. A job that is lost must be found by
   * a sweep: this only makes it happen on time. Resolves also where the queue does not answer.
   */
  async later(name: string, subject: string, delayMs: number): Promise<void> {
    try {
      // To count jobs itself the queue would create a sequence, which the application role may not.
      const jobId = randomUUIDv7();
      const options = { jobId, delay: Math.max(0, delayMs), removeOnComplete: true, removeOnFail: 100 };
      await this.queue.add(name, { subject }, options);
    } catch (error) {
      this.logger.warn("a job could not be put off", error instanceof Error ? error.message : undefined);
    }
  }

  async start(): Promise<void> {
    for (const [name, { everyMs, handler }] of this.sweeps) this.keepSweeping(name, everyMs, handler);
    for (const [name, { everyMs }] of this.repeated) {
      const keep = { removeOnComplete: true, removeOnFail: 100 };
      await this.queue.upsertJobScheduler(name, { every: everyMs }, { name, opts: keep });
    }
    const { connection, factory } = backendOf(this.config);
    const run = async (job: { name: string; data?: { subject?: unknown } }) => {
      const { subject } = job.data ?? {};
      if (typeof subject === "string") await this.handled.get(job.name)?.(subject);
      else await this.repeated.get(job.name)?.handler();
    };
    this.worker = new Worker(QUEUE, run, { connection, concurrency: 2 } as never, factory as never);
    this.worker.on("error", (error) => this.logger.warn("the job queue does not answer", error.message));
    this.worker.on("failed", (job, error) =>
      this.logger.error("a job failed", { job: job?.name, error: error.stack }),
    );
  }

  /** One after the other. */
  private keepSweeping(name: string, everyMs: number, handler: () => Promise<void>): void {
    let running = false;
    const sweep = async () => {
      if (running) return;
      running = true;
      try {
        await handler();
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.logger.warn("a sweep failed and is made again", { sweep: name, reason });
      } finally {
        running = false;
      }
    };
    this.sweeping.push(setInterval(() => void sweep(), everyMs).unref());
  }

  async onModuleDestroy(): Promise<void> {
    for (const timer of this.sweeping) clearInterval(timer);
    await this.worker?.close();
    await this.queue.close();
  }
}

/** Messages between replicas: hints that make things faster. Nothing may depend on one arriving. */
@Injectable()
export class Messages implements OnModuleDestroy {
  private readonly logger = new Logger("messages");
  private readonly relay: Relay<never>;

  constructor(@Inject(CONFIG) config: Config) {
    this.relay = new Relay(relayOptions(config) as never);
    this.relay.on("error", (error: Error) =>
      this.logger.warn("messages between replicas are delayed", error.message),
    );
  }

  async publish(topic: string, data: unknown): Promise<void> {
    try {
      await this.relay.publish(topic, data);
    } catch (error) {
      this.logger.warn(
        "a message between replicas was lost",
        error instanceof Error ? error.message : undefined,
      );
    }
  }

  async subscribe<Data>(topic: string, listener: (data: Data) => void | Promise<void>): Promise<void> {
    await this.relay.subscribe<Data>(topic, (message) => listener(message.data));
  }

  async onModuleDestroy(): Promise<void> {
    await this.relay.close();
  }
}

function backendOf(config: Config) {
  if (config.redisUrl) return { connection: redisConnection(config.redisUrl), factory: undefined };
  return { connection: postgresConnection(config), factory: createPostgresBackend };
}

function relayOptions(config: Config) {
  const namespace = "drawbridge";
  if (config.redisUrl) return { connection: redisConnection(config.redisUrl), namespace };
  return { connection: postgresConnection(config), namespace, backend: createPostgresRelayBackend };
}

function redisConnection(url: string): ConnectionOptions {
  return { url, maxRetriesPerRequest: null } as ConnectionOptions;
}

function postgresConnection(config: Config) {
  return {
    connectionString: config.databaseUrl,
    options: "-c role=drawbridge_app",
    schema: SCHEMA,
    skipMigrations: true,
    max: 4,
  };
}

/** Creates the queue's own tables, as the owner, and lets the application use them. Part of `migrate`. */
export async function migrateJobs(ownerUrl: string): Promise<readonly string[]> {
  const connection = { connectionString: ownerUrl, schema: SCHEMA, migrate: true, max: 2 };
  const queue = new Queue(QUEUE, { connection } as never, createPostgresBackend as never);
  try {
    await queue.waitUntilReady();
  } finally {
    await queue.close();
  }
  return [
    `GRANT USAGE ON SCHEMA ${SCHEMA} TO drawbridge_app`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${SCHEMA} TO drawbridge_app`,
    `GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA ${SCHEMA} TO drawbridge_app`,
    `GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${SCHEMA} TO drawbridge_app`,
  ];
}
