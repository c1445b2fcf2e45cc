import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { Clock } from "../platform/clock.js";
import { EpochWatch } from "../platform/epoch-watch.js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { GrantEnds } from "./grant-ends.js";
import { GrantsRepository } from "./grants.repository.js";
import { LiveGrants } from "./live-grants.js";

let platform: TestPlatform;
let watch: EpochWatch;
let ends: GrantEnds;
let told: number[];

beforeAll(async () => {
  platform = await startTestPlatform();
});
afterAll(() => platform.stop());
beforeEach(async () => {
  await platform.admin.query("delete from access_grant");
  told = [];
  watch = new EpochWatch(platform.database);
  const live = new LiveGrants(platform.database, new GrantsRepository(platform.database));
  ends = new GrantEnds(live, watch, new Clock());
  await watch.onApplicationBootstrap();
});
afterEach(async () => {
  await watch.onModuleDestroy();
  await ends.onModuleDestroy();
});

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const grant = (startsAt: number, endsAt: number) =>
  platform.database.prisma.accessGrant.create({
    data: {
      kind: "access",
      principal: "alice",
      targetId: "00000000-0000-7000-8000-000000000001",
      targetName: "shop",
      tools: [],
      policy: "shop",
      startsAt: new Date(startsAt),
      endsAt: new Date(endsAt),
    },
  });
const listen = () => ends.onEnd(async () => void told.push(Date.now()));

/** When a timer for that moment fires here: a busy machine is late for everybody. */
const fires = (at: number) =>
  new Promise<number>((resolve) => setTimeout(() => resolve(Date.now()), at - Date.now()));

async function expectToldAt(index: number, due: number, fired: number): Promise<void> {
  await expect.poll(() => told.length, { timeout: 5_000 }).toBeGreaterThan(index);
  expect(told[index]).toBeGreaterThanOrEqual(due);
  expect(told[index]).toBeLessThan(fired + 100);
}

test("tells within 100 ms that a grant has begun and that it has ended", async () => {
  listen();
  await ends.onApplicationBootstrap();
  const start = Date.now() + 2_500;
  const end = start + 1_000;
  await grant(start, end);
  const [started, ended] = await Promise.all([fires(start), fires(end)]);
  await expectToldAt(0, start, started);
  await expectToldAt(1, end, ended);
  expect(told).toHaveLength(2);
});

test("learns of grants that are given later, and of ends that are moved", async () => {
  listen();
  await ends.onApplicationBootstrap();
  const end = Date.now() + 3_000;
  const { id } = await grant(Date.now() - 60_000, end);
  await wait(700);
  const moved = end + 1_000;
  await platform.database.prisma.accessGrant.update({ where: { id }, data: { endsAt: new Date(moved) } });
  await expectToldAt(0, moved, await fires(moved));
  expect(told).toHaveLength(1);
});

test("tells again where a listener failed, and of one end once", async () => {
  let failures = 0;
  ends.onEnd(async () => {
    failures += 1;
    if (failures === 1) throw new Error("not now");
  });
  await grant(Date.now() - 60_000, Date.now() + 300);
  await ends.onApplicationBootstrap();
  await expect.poll(() => failures, { timeout: 10_000 }).toBe(2);
  await wait(1_200);
  expect(failures).toBe(2);
});

test("does not tell again while it tells", async () => {
  let running = 0;
  let most = 0;
  ends.onEnd(async () => {
    most = Math.max(most, (running += 1));
    await wait(2_500);
    told.push(Date.now());
    running -= 1;
  });
  const start = Date.now();
  await grant(start - 60_000, start + 200);
  await ends.onApplicationBootstrap();
  await expect.poll(() => running, { timeout: 5_000 }).toBe(1);
  // Each moves the epoch; one ends while it is still told of the other.
  await grant(start - 60_000, Date.now() + 300);
  await grant(start - 60_000, Date.now() + 60_000);
  await expect.poll(() => told.length, { timeout: 15_000 }).toBe(2);
  await wait(3_000);
  expect({ most, told: told.length }).toEqual({ most: 1, told: 2 });
});

test("waits for what is months away, and for nothing, without telling", async () => {
  listen();
  await ends.onApplicationBootstrap();
  await grant(Date.now() - 60_000, Date.now() + 89 * 86_400_000);
  await wait(1_000);
  expect(told).toEqual([]);
});

test("is silent when it is over", async () => {
  listen();
  await grant(Date.now() - 60_000, Date.now() + 300);
  await ends.onApplicationBootstrap();
  await ends.onModuleDestroy();
  await wait(600);
  expect(told).toEqual([]);
});
