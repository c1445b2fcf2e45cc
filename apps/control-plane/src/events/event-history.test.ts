import fc from "fast-check";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { TestJobs } from "../platform/fakes/test-jobs.js";
import { HeldClock, startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { EventHistory } from "./event-history.js";
import { BEGINNING, type EventPosition, isAfter } from "./event-position.js";
import { LiveEventsRepository } from "./live-events.repository.js";

let platform: TestPlatform;
let repository: LiveEventsRepository;
const clock = new HeldClock();
const jobs = new TestJobs();

beforeAll(async () => {
  platform = await startTestPlatform();
  repository = new LiveEventsRepository(platform.database);
  new EventHistory(repository, clock, jobs.jobs).onModuleInit();
});
beforeEach(async () => {
  await platform.admin.query("truncate live_event");
});
afterAll(() => platform.stop());

const insert = (connection: pg.Pool | pg.PoolClient, subject: string) =>
  connection.query(
    `insert into live_event (kind, subject, data, principals, groups, permission)
     values ('lock.set', $1, '{}', '{}', '{}', 'lock:read')`,
    [subject],
  );

/** Somebody who reads on from where they were. */
class Reader {
  readonly heard: string[] = [];
  private position: EventPosition = BEGINNING;

  async read(count = 3): Promise<void> {
    for (let more = true; more;) {
      const read = await repository.after(this.position, count);
      this.heard.push(...read.events.map(({ subject }) => subject));
      if (isAfter(read.through, this.position)) this.position = read.through;
      more = read.more;
    }
  }
}

/** Somebody who writes in transactions. */
class Writer {
  readonly told: string[] = [];
  private written: string[] = [];

  constructor(private readonly connection: pg.PoolClient) {}

  async insert(subject: string): Promise<void> {
    if (this.written.length === 0) await this.connection.query("begin");
    await insert(this.connection, subject);
    this.written.push(subject);
  }

  async commit(): Promise<void> {
    await this.connection.query("commit");
    this.told.push(...this.written);
    this.written = [];
  }

  async rollback(): Promise<void> {
    await this.connection.query("rollback");
    this.written = [];
  }
}

async function withConnections<Result>(
  count: number,
  use: (connections: readonly pg.PoolClient[]) => Promise<Result>,
): Promise<Result> {
  const connections = await Promise.all(Array.from({ length: count }, () => platform.admin.connect()));
  try {
    return await use(connections);
  } finally {
    for (const connection of connections) {
      await connection.query("rollback");
      connection.release();
    }
  }
}

describe("the order in which events are read", () => {
  test("waits for a transaction that began before, so that none of it is missed", async () => {
    await withConnections(2, async ([slow, fast]) => {
      if (!slow || !fast) throw new Error("two connections are needed");
      const reader = new Reader();
      await slow.query("begin");
      await insert(slow, "slow");
      await insert(fast, "fast");
      await reader.read();
      expect(reader.heard).toEqual([]);
      await slow.query("commit");
      await reader.read();
      expect(reader.heard).toEqual(["slow", "fast"]);
    });
  });

  test("knows nothing of what was rolled back", async () => {
    await withConnections(1, async ([connection]) => {
      await connection?.query("begin");
      if (connection) await insert(connection, "undone");
      await connection?.query("rollback");
      await insert(platform.admin, "done");
      const reader = new Reader();
      await reader.read();
      expect(reader.heard).toEqual(["done"]);
    });
  });

  test("tells every reader every committed event once, however the transactions interleave", async () => {
    const step = fc.record({
      who: fc.nat({ max: 2 }),
      does: fc.constantFrom(
        "insert" as const,
        "insert" as const,
        "commit" as const,
        "rollback" as const,
        "read" as const,
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        await platform.admin.query("truncate live_event");
        await withConnections(3, async (connections) => {
          const readers = [new Reader(), new Reader()];
          const writers = connections.map((connection) => new Writer(connection));
          for (const [index, { who, does }] of steps.entries()) {
            if (does === "read") await readers[who % 2]?.read();
            else await writers[who]?.[does](String(index));
          }
          for (const writer of writers) await writer.commit();
          const committed = writers.flatMap(({ told }) => told);
          for (const reader of readers) {
            await reader.read();
            expect(reader.heard.toSorted()).toEqual(committed.toSorted());
          }
          expect(readers[0]?.heard).toEqual(readers[1]?.heard);
        });
      }),
      { numRuns: 40 },
    );
  });

  test("of what comes is behind all that is over, also of what is open at that moment", async () => {
    await withConnections(1, async ([connection]) => {
      await insert(platform.admin, "before");
      await connection?.query("begin");
      if (connection) await insert(connection, "open");
      const now = await repository.now();
      await connection?.query("commit");
      await insert(platform.admin, "after");
      const { events } = await repository.after(now, 10);
      expect(events.map(({ subject }) => subject)).toEqual(["open", "after"]);
    });
  });
});

test("events are forgotten after their time, and not before", async () => {
  await insert(platform.admin, "old");
  await insert(platform.admin, "new");
  const days = (count: number) => new Date(clock.at.getTime() - count * 86_400_000);
  await platform.admin.query("update live_event set at = $1 where subject = 'old'", [days(7.1)]);
  await platform.admin.query("update live_event set at = $1 where subject = 'new'", [days(6.9)]);
  await jobs.run("forget-events");
  const { events } = await repository.after(BEGINNING, 10);
  expect(events.map(({ subject }) => subject)).toEqual(["new"]);
});
