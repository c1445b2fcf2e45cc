import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { eventually } from "@drawbridge/testing";
import { pino } from "pino";
import { afterEach, describe, expect, test } from "vitest";
import { isAlive } from "../fakes/process-state.js";
import { takeAllDescriptors } from "../fakes/file-descriptors.js";
import { Watchdog } from "./watchdog.js";

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

function startGroup(): number {
  const child = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
  started.push(child);
  return child.pid ?? 0;
}

function startWatchdog(): Watchdog {
  return new Watchdog(pino({ level: "silent" }));
}

/** The shells this process started that read group numbers. */
function watchdogPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isWatchdogOfOurs(pid));
}

function isWatchdogOfOurs(pid: number): boolean {
  try {
    const parent = /\) \w (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
    return (
      Number(parent) === process.pid &&
      readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("read -r verb group")
    );
  } catch {
    return false;
  }
}

describe("Watchdog", () => {
  test("kills at its end what is in its care, and nothing it was told is gone", async () => {
    const [first, released, last] = [startGroup(), startGroup(), startGroup()];
    const watchdog = startWatchdog();
    const releases = [first, released, last].map((group) => watchdog.guard(group));
    releases[1]?.();
    await watchdog.stop();
    await eventually(() => !isAlive(first) && !isAlive(last));
    expect(isAlive(released)).toBe(true);
  });

  test("keeps the new owner of a number in care when the one before is released late", async () => {
    const group = startGroup();
    const watchdog = startWatchdog();
    const releaseFirst = watchdog.guard(group);
    const releaseSecond = watchdog.guard(group);
    releaseFirst();
    await watchdog.stop();
    await eventually(() => !isAlive(group));

    const other = startGroup();
    const another = startWatchdog();
    for (const release of [another.guard(other), another.guard(other)]) release();
    await another.stop();
    expect(isAlive(other)).toBe(true);
    releaseSecond();
  });

  test("is started again when it dies, and remembers its care", async () => {
    const group = startGroup();
    const watchdog = startWatchdog();
    watchdog.guard(group);
    const [pid] = watchdogPids();
    process.kill(pid ?? 0, "SIGKILL");
    await eventually(() => watchdog.isWatching && watchdogPids().some((each) => each !== pid));
    expect(isAlive(group)).toBe(true);
    await watchdog.stop();
    await eventually(() => !isAlive(group));
  });

  test("is started again as soon as there is room for it", async () => {
    const group = startGroup();
    const watchdog = startWatchdog();
    watchdog.guard(group);
    const [pid] = watchdogPids();
    const giveBack = takeAllDescriptors();
    try {
      process.kill(pid ?? 0, "SIGKILL");
      await eventually(() => !watchdog.isWatching);
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      giveBack();
    }
    await eventually(() => watchdog.isWatching);
    expect(isAlive(group)).toBe(true);
    await watchdog.stop();
    await eventually(() => !isAlive(group));
  });

  test("does not leave with a signal meant for the agent", async () => {
    const group = startGroup();
    const watchdog = startWatchdog();
    watchdog.guard(group);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.kill(watchdogPids()[0] ?? 0, signal);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(watchdog.isWatching).toBe(true);
    expect(isAlive(group)).toBe(true);
    await watchdog.stop();
    await eventually(() => !isAlive(group));
  });
});
