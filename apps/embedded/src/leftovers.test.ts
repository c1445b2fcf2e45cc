import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { markRunning, stopLeftoverChildren, unmarkRunning } from "./leftovers.js";

let directory: string;
let child: ChildProcess;
beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), "drawbridge-leftovers-"));
  child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  await once(child, "spawn");
});
afterEach(async () => {
  child.kill("SIGKILL");
  await rm(directory, { recursive: true });
});

describe("stopLeftoverChildren", () => {
  test("stops a child that an earlier start marked", async () => {
    await markRunning(directory, "agent", child.pid ?? 0);
    const exit = once(child, "exit");
    expect(await stopLeftoverChildren(directory)).toEqual(["agent"]);
    expect(await exit).toEqual([null, "SIGTERM"]);
    expect(await readdir(directory)).toEqual([]);
  });

  test("leaves a stranger alone that has the pid now", async () => {
    await writeFile(
      path.join(directory, "agent.json"),
      JSON.stringify({ pid: child.pid, identity: "earlier" }),
    );
    expect(await stopLeftoverChildren(directory)).toEqual([]);
    expect(child.signalCode).toBeNull();
  });

  test("leaves a child alone that was stopped in an orderly way", async () => {
    await markRunning(directory, "agent", child.pid ?? 0);
    await unmarkRunning(directory, "agent");
    expect(await stopLeftoverChildren(directory)).toEqual([]);
    expect(child.signalCode).toBeNull();
  });
});
