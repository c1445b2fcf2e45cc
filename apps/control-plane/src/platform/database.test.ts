import { afterAll, beforeAll, expect, test } from "vitest";
import { Database } from "./database.js";
import { readEpoch } from "./epoch-snapshot.js";
import { proxyTo } from "./fakes/database-proxy.js";
import { startTestPlatform, type TestPlatform } from "./fakes/test-platform.js";

const SETTING = "idle_in_transaction_session_timeout";

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startTestPlatform();
});
afterAll(() => platform.stop());

test("no connection keeps its locks when the process behind it is gone without a word", async () => {
  const { pool, prisma } = platform.database;
  const { rows } = await pool.query<{ value: string }>(`select current_setting('${SETTING}') as value`);
  const [found] = await prisma.$queryRaw<{ value: string }[]>`select current_setting(${SETTING}) as value`;
  expect([rows[0]?.value, found?.value]).toEqual(["30s", "30s"]);
});

test("a change is noticed again soon after connections went silent", async () => {
  const { url, fallSilent, close } = await proxyTo(platform.config.databaseUrl);
  const database = new Database({ ...platform.config, databaseUrl: url });
  const epoch = await readEpoch(database);
  fallSilent();
  await expect(readEpoch(database)).rejects.toThrow(/timeout/i);
  expect(await readEpoch(database)).toBe(epoch);
  close();
  await database.onModuleDestroy();
}, 10_000);
