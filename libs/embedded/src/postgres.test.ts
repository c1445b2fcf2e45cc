import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test } from "vitest";
import { type EmbeddedPostgres, removePostgres, startPostgres } from "./postgres.js";
import { installedPostgres } from "./postgres-binaries.js";
import { withClient } from "./postgres-databases.js";
import { clusterName, stopLeftovers } from "./postgres-leftovers.js";
import { commandLine, processIdentity } from "./process-identity.js";

const isRoot = process.getuid?.() === 0;
const NOBODY = 65534;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A folder that every account may enter, unless told otherwise. */
async function scratch(mode = 0o711): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), "drawbridge-test-"));
  await chmod(directory, mode);
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function start(directory: string): Promise<EmbeddedPostgres> {
  const postgres = await startPostgres({ directory });
  cleanups.push(() => postgres.stop());
  return postgres;
}

/** One value from one query. */
async function ask(url: string, query: string): Promise<unknown> {
  return withClient(url, async (client) => Object.values((await client.query(query)).rows[0] as object)[0]);
}

/** Starts a Postgres in another process, which prints what startPostgres returned and then waits. */
async function startElsewhere(
  options: { directory: string; fallbackDirectory?: string; nativeDirectory?: string },
  beforehand = "",
): Promise<{ child: ChildProcess; postgres: EmbeddedPostgres }> {
  const file = (name: string): string => JSON.stringify(path.join(import.meta.dirname, name));
  const child = spawn(
    process.execPath,
    [
      "--import",
      path.join(import.meta.dirname, "run-from-source.mjs"),
      "--input-type=module",
      "-e",
      `const { startPostgres } = await import(${file("postgres.ts")});
       const { installedPostgres } = await import(${file("postgres-binaries.ts")});
       installedPostgres(); ${beforehand}
       const postgres = await startPostgres(${JSON.stringify(options)});
       console.log(JSON.stringify({ ...postgres, events: undefined, uid: process.getuid() }));
       process.on("SIGTERM", async () => { await postgres.stop(); process.exit(0); });
       setInterval(() => {}, 1000);`,
    ],
    { env: { PATH: "/usr/bin:/bin", HOME: "/" }, cwd: "/", stdio: ["ignore", "pipe", "inherit"] },
  );
  cleanups.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await Promise.race([once(lines, "line"), once(child, "exit")])) as [string | number];
  if (typeof line !== "string") throw new Error(`the process ended with ${line}`);
  return { child, postgres: JSON.parse(line) as EmbeddedPostgres };
}

describe("startPostgres", () => {
  test("makes a database with the two roles, passwords and every durability setting on", async () => {
    const directory = path.join(await scratch(), "postgres");
    const postgres = await start(directory);

    expect(await ask(postgres.ownerUrl, "SELECT current_user || ' ' || current_database()")).toBe(
      "drawbridge_owner drawbridge",
    );
    expect(await ask(postgres.appUrl, "SELECT current_user")).toBe("drawbridge_app");
    for (const setting of ["fsync", "synchronous_commit", "full_page_writes"]) {
      expect(await ask(postgres.appUrl, `SHOW ${setting}`)).toBe("on");
    }
    expect(await ask(postgres.appUrl, "SHOW server_encoding")).toBe("UTF8");
    expect(await ask(postgres.superuserUrl, "SHOW listen_addresses")).toBe("127.0.0.1");
    expect((await stat(path.join(directory, "postgres.json"))).mode & 0o777).toBe(0o600);
    expect((await stat(postgres.dataDirectory)).mode & 0o777).toBe(0o700);
  });

  test("refuses a wrong password and gives the application role no right to make tables", async () => {
    const postgres = await start(path.join(await scratch(), "postgres"));
    const wrong = postgres.appUrl.replace(/:[^:@]+@/, ":wrong@");
    await expect(ask(wrong, "SELECT 1")).rejects.toThrow(/password authentication failed/);
    await expect(ask(postgres.appUrl, "CREATE TABLE t ()")).rejects.toThrow(/permission denied/);
    await expect(ask(postgres.appUrl, "CREATE TEMPORARY TABLE t ()")).rejects.toThrow(/permission denied/);
  });

  test("keeps data, port and passwords from one start to the next", async () => {
    const directory = path.join(await scratch(), "postgres");
    const first = await start(directory);
    await withClient(first.ownerUrl, (client) => client.query("CREATE TABLE kept AS SELECT 42 AS answer"));
    await first.stop();
    const second = await start(directory);
    expect(second.ownerUrl).toBe(first.ownerUrl);
    expect(await ask(second.ownerUrl, "SELECT answer FROM kept")).toBe(42);
  });

  test("moves to another port when its own was taken meanwhile, and says which port a caller insisted on", async () => {
    const directory = path.join(await scratch(), "postgres");
    const first = await start(directory);
    await first.stop();
    const squatter = net.createServer().listen(first.port, "127.0.0.1");
    await once(squatter, "listening");
    cleanups.push(async () => squatter.close());

    await expect(startPostgres({ directory, port: first.port })).rejects.toThrow(
      `port ${first.port} of 127.0.0.1 is taken`,
    );
    const second = await start(directory);
    expect(second.port).not.toBe(first.port);
    expect(await ask(second.appUrl, "SELECT 1")).toBe(1);
  });

  test("starts again by itself when it is killed, with what was committed", async () => {
    const postgres = await start(path.join(await scratch(), "postgres"));
    await withClient(postgres.ownerUrl, (client) => client.query("CREATE TABLE kept AS SELECT 7 AS answer"));
    const died = once(postgres.events, "died");
    const restarted = once(postgres.events, "restarted");
    const firstPid = postgres.pid;
    process.kill(firstPid, "SIGKILL");
    expect(await died).toEqual([137]);
    await restarted;
    expect(postgres.pid).not.toBe(firstPid);
    expect(await ask(postgres.ownerUrl, "SELECT answer FROM kept")).toBe(7);
  });

  test("stops a leftover of an earlier start on the same data and goes on with that data", async () => {
    const directory = path.join(await scratch(), "postgres");
    const settings = await start(directory);
    // Where its account can run it: not always in node_modules.
    const [program = ""] = ((await commandLine(settings.pid)) ?? "").split(" -D ");
    await settings.stop();
    // As after a kill of launcher and guard at once: a postmaster of this data that nobody watches.
    const account = isRoot ? await stat(settings.dataDirectory) : undefined;

    const leftover = spawn(
      program,
      [
        "-D",
        settings.dataDirectory,
        "-c",
        `port=${settings.port}`,
        "-c",
        "unix_socket_directories=",
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        `cluster_name=${clusterName(settings.dataDirectory)}`,
      ],
      {
        stdio: ["ignore", "ignore", "pipe"],
        cwd: "/",
        ...(account && { uid: account.uid, gid: account.gid }),
      },
    );
    const leftoverPid = leftover.pid ?? 0;
    for await (const chunk of leftover.stderr) if (String(chunk).includes("ready to accept")) break;

    const next = await start(directory);
    expect(await processIdentity(leftoverPid)).toBeUndefined();
    expect(await ask(next.appUrl, "SELECT 1")).toBe(1);
  });

  test("never signals a stranger whose pid is in an old pid file", async () => {
    const directory = path.join(await scratch(), "postgres");
    const first = await start(directory);
    await first.stop();
    const stranger = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    cleanups.push(async () => stranger.kill());
    await writeFile(
      path.join(first.dataDirectory, "postmaster.pid"),
      `${stranger.pid}\n${first.dataDirectory}\n`,
    );

    expect(await stopLeftovers(first.dataDirectory)).toBe(0);
    const second = await start(directory);
    expect(await ask(second.appUrl, "SELECT 1")).toBe(1);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  });

  test("continues a first start that was cut short", async () => {
    const directory = path.join(await scratch(), "postgres");
    await mkdir(path.join(directory, "data.partial", "data"), { recursive: true, mode: 0o711 });
    await writeFile(path.join(directory, "data.partial", "data", "PG_VERSION"), "18\n");
    const postgres = await start(directory);
    expect(await ask(postgres.appUrl, "SELECT 1")).toBe(1);
  });

  test("explains data whose passwords are lost instead of making new data over it", async () => {
    const directory = path.join(await scratch(), "postgres");
    const first = await start(directory);
    await first.stop();
    await rm(path.join(directory, "postgres.json"));
    await expect(startPostgres({ directory })).rejects.toThrow(/passwords .* are gone/);
    expect(await readFile(path.join(first.dataDirectory, "PG_VERSION"), "utf8")).toBe("18\n");
  });

  test("makes databases of their own, closed to others, and refuses a name that is SQL", async () => {
    const postgres = await start(path.join(await scratch(), "postgres"));
    const urls = await postgres.createDatabase("one_test");
    expect(await ask(urls.ownerUrl, "SELECT current_database()")).toBe("one_test");
    expect((await postgres.createDatabase("one_test")).ownerUrl).toBe(urls.ownerUrl);
    await expect(postgres.createDatabase('x"; drop')).rejects.toThrow(/no database name/);
    await withClient(postgres.superuserUrl, (client) =>
      client.query("CREATE ROLE stranger LOGIN PASSWORD 'stranger'"),
    );
    const stranger = urls.appUrl.replace(/\/\/[^@]+@/, "//stranger:stranger@");
    await expect(ask(stranger, "SELECT 1")).rejects.toThrow(/permission denied for database/);
  });

  test("ends with the process that started it, also when that is killed", async () => {
    const directory = path.join(await scratch(), "postgres");
    const { child, postgres } = await startElsewhere({ directory });
    expect(await ask(postgres.appUrl, "SELECT 1")).toBe(1);
    child.kill("SIGKILL");
    await expect
      .poll(async () => processIdentity(postgres.pid), { timeout: 10_000, interval: 100 })
      .toBeUndefined();
    cleanups.push(() => removePostgres(directory));
  });

  test("is a UTF-8 database under an environment of only PATH and HOME", async () => {
    const { postgres } = await startElsewhere({ directory: path.join(await scratch(), "postgres") });
    expect(await ask(postgres.appUrl, "SELECT current_setting('server_encoding') || length('żółć')")).toBe(
      "UTF84",
    );
  });

  test.runIf(isRoot)("works as root in a folder that nobody else may enter", async () => {
    const closed = await scratch(0o700);
    const fallbackDirectory = path.join(await scratch(), "fallback");
    const directory = path.join(closed, "clone", "postgres");
    const { child, postgres } = await startElsewhere({ directory, fallbackDirectory });
    expect(postgres.dataDirectory.startsWith(fallbackDirectory)).toBe(true);
    expect((await stat(postgres.dataDirectory)).uid).not.toBe(0);
    expect(await ask(postgres.appUrl, "SELECT 1")).toBe(1);
    child.kill("SIGTERM");
    await once(child, "exit");

    // The next start finds the same data there, and a reset removes it.
    const again = await startPostgres({ directory, fallbackDirectory });
    expect(again.appUrl).toBe(postgres.appUrl);
    await again.stop();
    await removePostgres(directory);
    await expect(stat(path.dirname(postgres.dataDirectory))).rejects.toThrow(/ENOENT/);
  });

  test.runIf(isRoot)("works as an ordinary user", async () => {
    const home = await scratch();
    await chown(home, NOBODY, NOBODY);
    // An ordinary user can read their own clone; this test's clone may be root's alone.
    const nativeDirectory = path.join(await scratch(0o755), "native");
    await cp(installedPostgres().nativeDirectory, nativeDirectory, {
      recursive: true,
      verbatimSymlinks: true,
    });
    const directory = path.join(home, "postgres");
    const becomeNobody = `process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY});`;
    const { postgres } = await startElsewhere({ directory, nativeDirectory }, becomeNobody);
    expect(postgres).toMatchObject({ uid: NOBODY, dataDirectory: path.join(directory, "data") });
    expect((await stat(postgres.dataDirectory)).uid).toBe(NOBODY);
    expect(await ask(postgres.appUrl, "SELECT 1")).toBe(1);
  });
});
