import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { eventually, freePort } from "@drawbridge/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scriptable, System } from "./system.js";

const isInstalled = (() => {
  try {
    execFileSync("redis-server", ["--version"]);
    return true;
  } catch {
    console.warn("NOT TESTED: redis-server is not installed, so nothing of REDIS_URL is");
    return false;
  }
})();

/** A Redis that keeps nothing: what is lost with it must not matter. */
async function startRedis(port: number) {
  const child = spawn(
    "redis-server",
    ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
    { stdio: "ignore" },
  );
  await eventually(() => execFileSync("redis-cli", ["-p", String(port), "ping"]).includes("PONG"));
  return {
    kill: async () => {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
    keys: () => execFileSync("redis-cli", ["-p", String(port), "--scan"]).toString("utf8"),
  };
}

describe.skipIf(!isInstalled)("with REDIS_URL", { timeout: 60_000 }, () => {
  let system: System;
  let redis: Awaited<ReturnType<typeof startRedis>>;
  let port: number;
  beforeAll(async () => {
    port = await freePort();
    redis = await startRedis(port);
    const settings = { REDIS_URL: `redis://127.0.0.1:${port}` };
    system = await System.start({ settings, allow: { commands: scriptable([]) } });
    await system.applyScriptable("script");
  });
  afterAll(async () => {
    await system?.stop();
    await redis?.kill();
  });

  test("jobs and messages between replicas are on Redis, and calls are governed as ever", async () => {
    const session = await system.open("script");
    expect(JSON.stringify(await session.call("echo", { text: "hello" }))).toContain("hello");
    expect(redis.keys()).toMatch(/expire-sessions/);
    expect(redis.keys()).toMatch(/relay/);
  });

  test("calls and changes of policy go on while Redis is dead, and jobs when it is back", async () => {
    const session = await system.open("script");
    await redis.kill();
    expect(JSON.stringify(await session.call("echo", { text: "still here" }))).toContain("still here");
    await system.allow("script", { tools: ["pid"] });
    expect(JSON.stringify(await session.call("echo", { text: "not any more" }))).toContain("Unknown tool");
    redis = await startRedis(port);
    expect(system.controlPlane.runs).toBe(true);
    expect(JSON.stringify(await session.call("pid", {}))).toContain("result");
  });
});
