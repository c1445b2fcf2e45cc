import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { EpochWatch } from "./epoch-watch.js";
import { startTestPlatform, type TestPlatform } from "./fakes/test-platform.js";

let platform: TestPlatform;
let watch: EpochWatch;
let told: bigint[];
beforeAll(async () => {
  platform = await startTestPlatform();
});
afterAll(() => platform.stop());
beforeEach(() => {
  told = [];
  watch = new EpochWatch(platform.database);
});
afterEach(() => watch.onModuleDestroy());

const change = () => platform.admin.query("update authorization_epoch set value = value + 1");
const looked = () => new Promise((resolve) => setTimeout(resolve, 900));

test("tells of a change within a second, and of none when there was none", async () => {
  watch.onChange(async (epoch) => void told.push(epoch));
  await watch.onApplicationBootstrap();
  await looked();
  expect(told).toEqual([]);
  await change();
  await expect.poll(() => told.length, { timeout: 1_000 }).toBe(1);
  await looked();
  expect(told).toHaveLength(1);
});

test("one that fails does not keep the others from hearing, and hears again", async () => {
  let failures = 0;
  watch.onChange(async () => {
    failures += 1;
    if (failures === 1) throw new Error("not now");
  });
  watch.onChange(async (epoch) => void told.push(epoch));
  await watch.onApplicationBootstrap();
  await change();
  await expect.poll(() => failures, { timeout: 2_000 }).toBe(2);
  expect(told.length).toBeGreaterThan(0);
});

test("never tells of a change while it still tells of the one before", async () => {
  let running = 0;
  let most = 0;
  watch.onChange(async (epoch) => {
    running += 1;
    most = Math.max(most, running);
    await looked();
    running -= 1;
    told.push(epoch);
  });
  await watch.onApplicationBootstrap();
  await change();
  await looked();
  await change();
  await expect.poll(() => told.length, { timeout: 5_000 }).toBe(2);
  expect(most).toBe(1);
});
