import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type GuardedChild, spawnGuarded } from "./guarded-child.js";
import { processIdentity } from "./process-identity.js";

const started: GuardedChild[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.stop(100)));
});

async function start(script: string, lines: string[] = []): Promise<GuardedChild> {
  const child = await spawnGuarded({
    command: process.execPath,
    args: ["-e", script],
    env: {},
    cwd: "/",
    stopSignal: "TERM",
    onLine: (line) => lines.push(line),
  });
  started.push(child);
  return child;
}

async function gone(pid: number): Promise<boolean> {
  for (let tries = 0; tries < 100; tries++) {
    if ((await processIdentity(pid)) === undefined) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

describe("spawnGuarded", () => {
  test("passes the child's output and exit code on", async () => {
    const lines: string[] = [];
    const child = await start("console.log('out'); console.error('err'); process.exitCode = 7", lines);
    expect(await child.exited).toEqual({ code: 7 });
    expect(lines.toSorted()).toEqual(["err", "out"]);
  });

  test("stops a child with its stop signal and leaves no process", async () => {
    const child = await start("process.on('SIGTERM', () => process.exit(3)); setInterval(() => {}, 1000)");
    await new Promise((resolve) => setTimeout(resolve, 300));
    await child.stop(5_000);
    expect(await child.exited).toEqual({ code: 3 });
    expect(await gone(child.pid)).toBe(true);
  });

  test("ends by force a child that ignores its stop signal", async () => {
    const child = await start("process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)");
    await new Promise((resolve) => setTimeout(resolve, 300));
    await child.stop(200);
    expect(await child.exited).toEqual({ code: 137 });
  });

  test("reports a command that does not exist", async () => {
    const child = await spawnGuarded({
      command: "/nonexistent/program",
      args: [],
      env: {},
      cwd: "/",
      stopSignal: "TERM",
      onLine: () => {},
    });
    expect(await child.exited).toEqual({ code: 127 });
  });

  test("stops the child when the parent is killed with SIGKILL", async () => {
    const moduleFile = path.join(import.meta.dirname, "guarded-child.ts");
    const parent = spawn(process.execPath, [
      "--input-type=module",
      "-e",
      `import { spawnGuarded } from ${JSON.stringify(moduleFile)};
       const child = await spawnGuarded({ command: process.execPath, args: ["-e", "setInterval(() => {}, 1000)"],
         env: {}, cwd: "/", stopSignal: "TERM", onLine: () => {} });
       console.log(child.pid);`,
    ]);
    const [pidLine] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(pidLine.toString());
    expect(await processIdentity(pid)).toBeDefined();
    parent.kill("SIGKILL");
    expect(await gone(pid)).toBe(true);
  });
});
