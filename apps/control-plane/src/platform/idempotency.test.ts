import { setTimeout as sleep } from "node:timers/promises";
import { Body, Controller, Post } from "@nestjs/common";
import { z } from "zod";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startTestApi, type TestApi } from "../fakes/index.js";
import { CurrentPrincipal, type Principal, Requires } from "../identity/index.js";
import { Clock } from "./clock.js";
import { DomainError } from "./errors.js";
import { HeldClock, startTestPlatform, type TestPlatform } from "./fakes/test-platform.js";
import { Idempotent } from "./idempotency.js";
import { PlatformModule } from "./platform.module.js";

const Thing = z.object({ name: z.string(), fails: z.boolean().optional() });
const SECRET = "secret-shown-once";
let created: string[] = [];

@Controller("things")
class ThingsController {
  @Post()
  @Requires("identity:read")
  @Idempotent()
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: Thing }) body: z.infer<typeof Thing>,
  ) {
    await sleep(200);
    if (body.fails) throw new DomainError("target_invalid", "no");
    created.push(body.name);
    return { number: created.length, secret: SECRET, of: principal.id };
  }
}

let platform: TestPlatform;
let api: TestApi;
let clock: HeldClock;

beforeAll(async () => {
  platform = await startTestPlatform();
  api = await startTestApi(platform, { imports: [PlatformModule], controllers: [ThingsController] });
  api.tokens.add("alice");
  api.tokens.add("bob");
  clock = new HeldClock();
  api.app.get(Clock).now = () => clock.now();
});
afterAll(async () => {
  await api.stop();
  await platform.stop();
});
beforeEach(() => {
  created = [];
});

async function post(key: string | undefined, body: unknown = { name: "a" }, as = "alice") {
  const response = await api.fetch(as, "/things", {
    method: "POST",
    headers: { "content-type": "application/json", ...(key === undefined ? {} : { "idempotency-key": key }) },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe("a creation with an Idempotency-Key", () => {
  test("is made once, and a repeat gets the first answer again", async () => {
    const first = await post("k1");
    expect(first).toEqual({ status: 201, body: { number: 1, secret: SECRET, of: "alice" } });
    expect(await post("k1")).toEqual(first);
    expect(created).toEqual(["a"]);
  });

  test("is made once by eight that arrive together", async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => post("k2")));
    expect(created).toEqual(["a"]);
    // Those that come while the first runs are told so; those that come later get its answer.
    const told = new Set(
      answers.map(({ status, body }) => `${status} ${String(body["code"] ?? body["number"])}`),
    );
    expect([...told].toSorted()).toEqual(["201 1", "409 idempotency_key_in_use"]);
  });

  test("is refused when the key was used with another body", async () => {
    await post("k3");
    expect(await post("k3", { name: "b" })).toMatchObject({
      status: 409,
      body: { code: "idempotency_key_reused" },
    });
    expect(created).toEqual(["a"]);
  });

  test("is another one for another principal", async () => {
    await post("k4");
    expect(await post("k4", { name: "a" }, "bob")).toMatchObject({ status: 201, body: { of: "bob" } });
  });

  test.each([
    ["fails", { name: "a", fails: true }, 422],
    ["is not valid", { name: 1 }, 400],
  ])("that %s leaves the key free", async (what, body, status) => {
    const key = `free ${what}`.replaceAll(" ", "-");
    expect(await post(key, body)).toMatchObject({ status });
    expect(await post(key)).toMatchObject({ status: 201 });
  });

  test("without a key is made each time", async () => {
    await post(undefined);
    await post(undefined);
    expect(created).toHaveLength(2);
  });

  test.each(["", "a b", "x".repeat(256), "\u00e4"])("is refused for the key %j", async (key) => {
    expect(await post(key)).toMatchObject({ status: 400, body: { code: "invalid_idempotency_key" } });
    expect(created).toEqual([]);
  });

  test("keeps no secret in clear", async () => {
    await post("k5");
    const { rows } = await platform.admin.query<{ response: Buffer }>(
      "select response from idempotency_key where key = 'k5'",
    );
    expect(rows[0]!.response.length).toBeGreaterThan(SECRET.length);
    expect(rows[0]!.response.includes(SECRET)).toBe(false);
  });

  test("is forgotten after a day, by the clock and by the job", async () => {
    await post("k6");
    clock.advance(23 * 3_600_000);
    await api.jobs.run("idempotency-keys");
    await post("k6");
    expect(created).toHaveLength(1);
    clock.advance(3_600_001);
    await post("k6");
    expect(created).toHaveLength(2);
    clock.advance(24 * 3_600_000 + 1);
    await api.jobs.run("idempotency-keys");
    const { rowCount } = await platform.admin.query("select from idempotency_key");
    expect(rowCount).toBe(0);
  });

  test("whose process died is in use for a minute and then free", async () => {
    await post("k7");
    await platform.admin.query("update idempotency_key set status = null, response = null where key = 'k7'");
    clock.advance(59_000);
    expect(await post("k7")).toMatchObject({ status: 409, body: { code: "idempotency_key_in_use" } });
    clock.advance(2_000);
    expect(await post("k7")).toMatchObject({ status: 201 });
  });
});
