import { tmpdir } from "node:os";
import { realpathSync } from "node:fs";
import { initialize, ping, SCRIPTABLE_SERVER_PATH, toolCall } from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { waitFor } from "../fakes/wait-for.js";
import { pino } from "pino";
import { NO_CHILD_LIMITS, smallerLimits } from "./child-limits.js";
import { Children } from "./children.js";
import {
  cleanUpAfterEach,
  type HostOptions,
  onTestEnd,
  open,
  stdio,
  structured,
  testHost,
} from "./fakes/target-bench.js";
import type { ServerProcess } from "./server-process.js";
import type { TargetHealth } from "./start-backoff.js";
import { Watchdog } from "./watchdog.js";

cleanUpAfterEach();

const NONE = { memoryBytes: 0, cpuSeconds: 0, openFiles: 0, processes: 0 };

interface Limits {
  readonly memoryKib: string;
  readonly cpuSeconds: string;
  readonly openFiles: string;
  readonly directory: string;
}

async function limitsSeen(options: HostOptions, wanted: Partial<typeof NONE>): Promise<Limits> {
  const session = open(testHost(options), stdio([], { limits: { ...NONE, ...wanted } }));
  return structured<Limits>(await session.call(1, toolCall(1, "limits")));
}

describe("the limits of a target's process", () => {
  test("are what its definition wants and what this host allows, the smaller of both", async () => {
    const perChild = { memoryBytes: 3_000_000 * 1024, openFiles: 512 };
    const seen = await limitsSeen(
      { perChild },
      { cpuSeconds: 600, openFiles: 4_000, memoryBytes: 2_000_000 * 1024 },
    );
    expect(seen).toMatchObject({ memoryKib: "2000000", cpuSeconds: "600", openFiles: "512" });
  });

  test("hold without a definition that wants any", async () => {
    expect(await limitsSeen({ perChild: { openFiles: 300 } }, {})).toMatchObject({ openFiles: "300" });
  });

  test("end a process that uses more", async () => {
    const session = open(testHost(), stdio([], { limits: { ...NONE, memoryBytes: 400 * 1024 * 1024 } }));
    session.send(1, toolCall(1, "big", { bytes: 450_000_000 }));
    expect((await session.ended()).reason).toMatch(/was ended by SIG|exited with code [1-9]/);
  });

  test("change nothing else: arguments, environment and directory are what they were", async () => {
    const odd = ["--a b", "$(touch pwned)", "-x;exit", "'\"", ""];
    const limits = { ...NONE, openFiles: 256 };
    const definition = stdio(odd, {
      limits,
      environment: { SOME_NAME: "$HOME" },
      workingDirectory: tmpdir(),
    });
    const session = open(testHost(), definition);
    const { names } = structured<{ names: string[] }>(await session.call(1, toolCall(1, "environment")));
    expect(names.filter((name) => name !== "_")).toEqual(["HOME", "PATH", "SOME_NAME"]);
    const { directory } = structured<Limits>(await session.call(2, toolCall(2, "limits")));
    expect(directory).toBe(realpathSync(tmpdir()));
    const { arguments: seen } = structured<{ arguments: string[] }>(
      await session.call(3, toolCall(3, "arguments")),
    );
    expect(seen).toEqual([SCRIPTABLE_SERVER_PATH, ...odd]);
  });

  test("do not hide why a command cannot be started", () => {
    const rule = { command: "/nonexistent/server", arguments: [], directories: [], environment: [] };
    const host = testHost({ commands: [rule], perChild: { openFiles: 256 } });
    expect(() => open(host, stdio([], { command: "/nonexistent/server", arguments: [] }))).toThrow("ENOENT");
  });

  test("are the smaller ones, and none is not the smallest", () => {
    const one = { memoryBytes: 0, cpuSeconds: 5, openFiles: 9, processes: 0 };
    const other = { memoryBytes: 7, cpuSeconds: 0, openFiles: 8, processes: 0 };
    expect(smallerLimits(one, other)).toEqual({ memoryBytes: 7, cpuSeconds: 5, openFiles: 8, processes: 0 });
  });
});

describe("the number of processes", () => {
  test("is bounded, and a place is free again when a process is gone", async () => {
    const host = testHost({ children: 2 });
    const sessions = [open(host, stdio([])), open(host, stdio([]))];
    expect(() => open(host, stdio([]))).toThrow("at its limit of 2 processes");
    await sessions[0]?.target.close();
    expect(host.children.count).toBe(1);
    expect(await open(host, stdio([])).call(1, ping(1))).toContain('"result"');
  });
});

describe("a target that fails again and again", () => {
  test("has to wait, which is told, and starts anew when it has worked", async () => {
    const told: TargetHealth[] = [];
    const host = testHost({ onHealth: (health) => told.push(health) });
    for (let start = 0; start < 3; start++) {
      const session = open(host, stdio(["exit-at-once=7"]));
      session.send(1, initialize(1));
      await session.ended();
    }
    expect(told.map(({ failures, retryAfterMs }) => [failures, retryAfterMs > 0])).toEqual([
      [1, false],
      [2, false],
      [3, true],
    ]);
    expect(told.at(-1)).toMatchObject({
      target: "scriptable",
      reason: "the target's process exited with code 7",
    });
    expect(() => open(host, stdio([]))).toThrow("failed 3 times in a row");
    expect(host.children.failing).toHaveLength(1);

    const session = await waitFor(() => {
      try {
        return open(host, stdio([]));
      } catch {
        return undefined;
      }
    });
    await session.call(1, ping(1));
    await session.target.close();
    await waitFor(() => told[3]);
    expect(told.slice(3)).toEqual([{ target: "scriptable", failures: 0, retryAfterMs: 0, reason: "" }]);
  });

  test("is also one that dies right after it answered", async () => {
    const told: TargetHealth[] = [];
    const session = open(testHost({ onHealth: (health) => told.push(health) }), stdio([]));
    await session.call(1, ping(1));
    session.send(2, toolCall(2, "crash", { code: 3 }));
    await session.ended();
    expect(told).toMatchObject([{ failures: 1, reason: "the target's process exited with code 3" }]);
  });

  test("is not one whose session was ended before it said anything", async () => {
    const told: TargetHealth[] = [];
    const session = open(testHost({ onHealth: (health) => told.push(health) }), stdio(["never-initialize"]));
    session.send(1, initialize(1));
    await session.target.close();
    expect(told).toEqual([]);
  });

  test("is one whose command cannot be started", async () => {
    const told: TargetHealth[] = [];
    const rule = { command: "/nonexistent/server", arguments: [], directories: [], environment: [] };
    const host = testHost({ commands: [rule], onHealth: (health) => told.push(health) });
    await open(host, stdio([], { command: "/nonexistent/server", arguments: [] })).ended();
    expect(told).toMatchObject([{ failures: 1, reason: expect.stringContaining("ENOENT") as string }]);
  });
});

interface Shop {
  readonly told: readonly TargetHealth[];
  readonly pass: (ms: number) => number;
  readonly start: () => ServerProcess;
  /** As a call that the server does not survive. */
  readonly kill: (process: ServerProcess) => Promise<void>;
}

/** Processes of one target, with a clock that is put forward by hand. */
function startShop(): Shop {
  let now = 100_000;
  const told: TargetHealth[] = [];
  const watchdog = new Watchdog(pino({ level: "silent" }));
  onTestEnd(() => watchdog.stop());
  const children = new Children({
    maximum: 20,
    limits: NO_CHILD_LIMITS,
    inheritedEnvironment: { PATH: "/usr/bin:/bin" },
    stderrBytesPerSecond: 1_000,
    watchdog,
    now: () => now,
    onHealth: (health) => told.push(health),
  });
  const command = {
    command: "/bin/sh",
    arguments: ["-c", "read line"],
    directory: tmpdir(),
    environment: {},
  };
  return {
    told,
    pass: (ms) => (now += ms),
    start: () => {
      const nothing = { stdout: () => undefined, stderr: () => undefined, ended: () => undefined };
      const started = children.start({ target: "shop", command, limits: NO_CHILD_LIMITS }, nothing);
      onTestEnd(() => started.close());
      return started;
    },
    kill: (child) => {
      child.write(Buffer.from("\n"));
      return child.gone;
    },
  };
}

describe("a target that one caller's calls make fail", () => {
  test("is kept from the others for 5 s at most", async () => {
    const { told, pass, start, kill } = startShop();
    for (let failure = 0; failure < 8; failure++) {
      const child = start();
      child.spoke = true;
      await kill(child);
      pass(5_000);
    }
    expect(told.map(({ retryAfterMs }) => retryAfterMs)).toEqual([
      0, 0, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000,
    ]);
    expect(() => start()).not.toThrow();
  });

  test("is also one that dies of its very first call", async () => {
    const { told, pass, start, kill } = startShop();
    for (let failure = 0; failure < 8; failure++) {
      const child = start();
      child.wasCalled = true;
      await kill(child);
      pass(5_000);
    }
    expect(told.at(-1)?.retryAfterMs).toBe(5_000);
  });

  test("is kept from nobody while a session of it is well", async () => {
    const { told, pass, start, kill } = startShop();
    const well = start();
    well.spoke = true;
    pass(10_000);
    for (let failure = 0; failure < 5; failure++) {
      const child = start();
      child.spoke = true;
      await kill(child);
    }
    expect(told).toEqual([]);
  });

  test("has to wait a little even then when its processes say nothing at all", async () => {
    const { told, pass, start, kill } = startShop();
    const well = start();
    well.spoke = true;
    pass(10_000);
    for (let failure = 0; failure < 8; failure++) {
      await kill(start());
      pass(5_000);
    }
    expect(told.at(-1)).toMatchObject({ failures: 8, retryAfterMs: 5_000 });
  });
});
