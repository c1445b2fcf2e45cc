import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, readdir, readlink, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { commandLine, isPortFree, removePostgres, withClient } from "@drawbridge/embedded";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const CARD = /\b400000\d{10}\b/;
const UP = "Drawbridge runs.";
/** Other tests run on the same two cores; alone it is six or seven seconds. */
const LOADED_FACTOR = 2;

let home: string;
let port: number;
let firstRecording: string | undefined;
const started: Launch[] = [];

beforeAll(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), "drawbridge-start-"));
  await chmod(home, 0o711);
  port = await fourFreePorts();
});
afterAll(async () => {
  await removePostgres(path.join(home, "postgres"));
  await rm(home, { recursive: true, force: true });
});

afterEach(async () => {
  // Nothing of a test that failed may be in the way of the next.
  for (const launch of started.splice(0)) launch.process.kill("SIGTERM");
  await allGone();
});

interface Launch {
  process: ChildProcess;
  output: () => string;
  exited: Promise<number | null>;
}

/** Runs what `npm start` runs, with as little environment as there may be. */
function start(...args: string[]): Launch {
  const child = spawn(process.execPath, ["scripts/start.mjs", "--port", String(port), ...args], {
    cwd: root,
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "/", DRAWBRIDGE_HOME: home },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += String(chunk)));
  const exited = once(child, "exit").then(([code]) => code as number | null);
  const launch = { process: child, output: () => text, exited };
  started.push(launch);
  return launch;
}

async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen in ${withinMs / 1000} s`);
    await sleep(100);
  }
}

async function startAndWait(...args: string[]): Promise<Launch> {
  const launch = start(...args);
  let over = false;
  void launch.exited.then(() => (over = true));
  await until("the start", () => launch.output().includes(UP) || over).catch((error: unknown) => {
    throw new Error(`the start came no further than:\n${launch.output()}`, { cause: error });
  });
  if (over) throw new Error(`the start failed:\n${launch.output()}`);
  return launch;
}

/** Every process that works in the folder or names it: the parts, their guards, Postgres, the targets' servers. */
async function ourProcesses(): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
      const line = (await commandLine(Number(pid))) ?? "";
      return cwd.startsWith(home) || line.includes(home) ? [`${pid} ${line}`] : [];
    }),
  );
  return found.flat();
}

async function allGone(): Promise<void> {
  await until("the end of every process", async () => (await ourProcesses()).length === 0, 30_000);
}

async function fourFreePorts(): Promise<number> {
  // Below the range from which the system gives ports to whoever asks for any: those come and go.
  for (let first = 20_000 + Math.floor(Math.random() * 10_000); ; first += 4) {
    const free = await Promise.all([0, 1, 2, 3].map((offset) => isPortFree(first + offset)));
    if (free.every(Boolean)) return first;
  }
}

/** Addresses on which processes of ours listen, from /proc/net: all but 127.0.0.1 is beyond this machine. */
async function listenersBeyondLoopback(): Promise<string[]> {
  const postgres = JSON.parse(await readFile(path.join(home, "postgres/postgres.json"), "utf8")) as {
    port: number;
  };
  const ports = [port, port + 1, port + 2, port + 3, postgres.port];
  const wanted = ports.map((number) => number.toString(16).toUpperCase().padStart(4, "0"));
  const tables = await Promise.all(["tcp", "tcp6"].map((name) => readFile(`/proc/net/${name}`, "utf8")));
  const listening = tables
    .flatMap((table) => table.split("\n").slice(1))
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , , state]) => state === "0A")
    .map(([, local = ""]) => local.split(":"))
    .filter(([, localPort = ""]) => wanted.includes(localPort));
  expect(new Set(listening.map(([, localPort]) => localPort)).size).toBe(wanted.length);
  return listening.filter(([address]) => address !== "0100007F").map((parts) => parts.join(":"));
}

/** The ids of all recordings, straight from the database. */
async function recordings(): Promise<string[]> {
  const file = path.join(home, "postgres/postgres.json");
  const settings = JSON.parse(await readFile(file, "utf8")) as { port: number; ownerPassword: string };
  const url = `postgresql://drawbridge_owner:${settings.ownerPassword}@127.0.0.1:${settings.port}/drawbridge`;
  const { rows } = await withClient(url, (client) =>
    client.query<{ id: string }>("SELECT id FROM recording"),
  );
  return rows.map(({ id }) => id);
}

const recordingIn = (output: string): string | undefined =>
  /recordings show ([0-9a-f-]{36})/.exec(output)?.[1];

async function pidOf(name: string): Promise<number> {
  return (JSON.parse(await readFile(path.join(home, "running", `${name}.json`), "utf8")) as { pid: number })
    .pid;
}

// In order: each test goes on with what the one before it left.
describe("npm start", { timeout: 120_000 }, () => {
  test("brings everything up, makes one governed call, shows it masked, and stops without a trace", async () => {
    const launch = await startAndWait();
    expect(launch.output()).toContain("card_number");
    expect(launch.output()).toContain("[REDACTED:");
    expect(launch.output()).not.toMatch(CARD);
    expect(launch.output()).not.toContain("@example.com");
    firstRecording = recordingIn(launch.output());
    expect(firstRecording).toBeDefined();
    expect(await listenersBeyondLoopback()).toEqual([]);

    launch.process.kill("SIGINT");
    expect(await launch.exited).toBe(130);
    await allGone();
  });

  test("starts again soon and with its data, and explains a second start beside it", async () => {
    const startedAt = Date.now();
    const launch = await startAndWait();
    expect(Date.now() - startedAt).toBeLessThan(LOADED_FACTOR * 10_000);

    expect(await recordings()).toEqual(
      expect.arrayContaining([firstRecording, recordingIn(launch.output())]),
    );

    const second = start();
    expect(await second.exited).toBe(1);
    expect(second.output()).toMatch(/Drawbridge runs here already \(process \d+\)/);

    launch.process.kill("SIGTERM");
    expect(await launch.exited).toBe(143);
    await allGone();
  });

  test("starts the agent, the control plane and Postgres again when they are killed", async () => {
    const launch = await startAndWait();
    for (const name of ["agent", "control-plane"]) {
      const killed = await pidOf(name);
      process.kill(killed, "SIGKILL");
      await until(`the restart of ${name}`, async () => (await pidOf(name)) !== killed);
      expect(launch.output()).toContain(`${name} ended with code 137; starting it again`);
    }
    const postmaster = Number.parseInt(
      await readFile(path.join(home, "postgres/data/postmaster.pid"), "utf8"),
      10,
    );
    process.kill(postmaster, "SIGKILL");
    await until("the restart of Postgres", () => launch.output().includes("PostgreSQL runs again"));
    await until("the recovery of the control plane", async () => {
      const response = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
      return response?.ok ?? false;
    });
    launch.process.kill("SIGINT");
    await launch.exited;
    await allGone();
  });

  test("leaves nothing running when it is killed, and the next start works", async () => {
    const launch = await startAndWait();
    const lock = JSON.parse(await readFile(path.join(home, "lock"), "utf8")) as { pid: number };
    process.kill(lock.pid, "SIGKILL");
    await launch.exited;
    await allGone();

    const next = await startAndWait();
    expect(recordingIn(next.output())).toBeDefined();
    next.process.kill("SIGINT");
    await next.exited;
    await allGone();
  });

  test("ends when the script that started it is killed", async () => {
    const launch = await startAndWait();
    launch.process.kill("SIGKILL");
    await allGone();
    expect(launch.output()).toContain("stopping");
  });

  test("names a taken port, its holder and the way out before it starts anything", async () => {
    const squatter = spawn(process.execPath, [
      "-e",
      `require("net").createServer().listen(${port + 2}, "127.0.0.1")`,
    ]);
    await until("the squatter", async () => !(await isPortFree(port + 2)));
    const launch = start();
    expect(await launch.exited).toBe(1);
    expect(launch.output()).toContain(
      `port ${port + 2}, which the identity provider needs, is taken by process ${squatter.pid}`,
    );
    squatter.kill();
    await once(squatter, "exit");
    await allGone();
  });

  test("starts afresh with --reset and without targets with --no-demo", async () => {
    const launch = await startAndWait("--reset", "--no-demo");
    expect(launch.output()).toContain("remove earlier data");
    expect(launch.output()).not.toContain("alice");
    launch.process.kill("SIGINT");
    await launch.exited;
    await allGone();
  });
});
