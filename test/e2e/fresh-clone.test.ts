import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, copyFile, cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isPortFree, removePostgres } from "@drawbridge/embedded";
import { afterEach, describe, expect, test } from "vitest";
import { processesWithHome } from "./marked-processes.js";

const root = path.resolve(import.meta.dirname, "../..");
const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
const CARD = /\b400000\d{10}\b/;
// With an empty package store everything comes over the network.
const INSTALL_MS = 300_000;
const STOP_MS = 30_000;

interface Newcomer {
  /** The clone's parent: the newcomer's home is in it as well. */
  readonly place: string;
  readonly home: string;
  readonly clone: string;
  readonly account: { readonly uid?: number; readonly gid?: number };
}

const places: string[] = [];
afterEach(async () => {
  for (const place of places.splice(0)) {
    await removePostgres(path.join(place, "clone/.drawbridge/postgres"));
    await rm(place, { recursive: true, force: true });
  }
});

/** A clone as git would make it from what is here, for somebody with nothing but Node, npm and git. */
async function newcomer(account: Newcomer["account"], mode: number): Promise<Newcomer> {
  const place = await mkdtemp(path.join(os.tmpdir(), "drawbridge-clone-"));
  places.push(place);
  await chmod(place, 0o711);
  const [home, clone] = [path.join(place, "home"), path.join(place, "clone")];
  await mkdir(home);
  await mkdir(clone);
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
  });
  for (const file of listed.toString("utf8").split("\0").filter(Boolean)) {
    await mkdir(path.join(clone, path.dirname(file)), { recursive: true });
    await copyFile(path.join(root, file), path.join(clone, file)).catch(ignoreMissing);
  }
  // What the machine's npm is told about its network holds for a newcomer on it, too.
  await cp(path.join(os.homedir(), ".npmrc"), path.join(home, ".npmrc")).catch(ignoreMissing);
  const { uid, gid } = account;
  if (uid !== undefined && gid !== undefined) {
    for (const owned of [home, clone]) execFileSync("chown", ["-R", `${uid}:${gid}`, owned]);
    await chown(place, uid, gid);
  }
  await chmod(clone, mode);
  return { place, home, clone, account };
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

/** The machine's own programs: nothing that the workspace under test has brought. */
function plainPath(): string {
  const folders = (process.env["PATH"] ?? "").split(path.delimiter);
  return folders
    .filter((folder) => !folder.includes("node_modules") && !folder.startsWith(root))
    .join(path.delimiter);
}

async function firstOfFourFreePorts(): Promise<number> {
  // Below the range from which the system gives ports to whoever asks for any: those come and go.
  for (let first = 20_000 + Math.floor(Math.random() * 10_000); ; first += 4) {
    const free = await Promise.all([0, 1, 2, 3].map((offset) => isPortFree(first + offset)));
    if (free.every(Boolean)) return first;
  }
}

/** `env -i PATH=… HOME=… npm start` until it says that it runs, then Ctrl-C; what it printed. */
async function startOnce({ clone, home, account }: Newcomer): Promise<string> {
  const port = await firstOfFourFreePorts();
  const child = spawn("npm", ["start", "--", "--port", String(port)], {
    cwd: clone,
    env: { PATH: plainPath(), HOME: home },
    stdio: ["ignore", "pipe", "pipe"],
    // A process group of its own: Ctrl-C at a terminal reaches all of it, and npm counts on that.
    detached: true,
    ...account,
  });
  const interrupt = (signal: NodeJS.Signals) => child.pid !== undefined && process.kill(-child.pid, signal);
  let output = "";
  let over = false;
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
  const exited = once(child, "exit").then(() => (over = true));
  const deadline = Date.now() + INSTALL_MS;
  while (!output.includes("Drawbridge runs.") && !over && Date.now() < deadline) await sleep(200);
  if (!over) interrupt("SIGINT");
  const stopped = await Promise.race([exited, sleep(STOP_MS, false)]);
  if (!stopped) interrupt("SIGKILL");
  if (!stopped || !output.includes("Drawbridge runs."))
    throw new Error(`npm start came no further than:\n${output}`);
  return output;
}

const cases: { who: string; account: Newcomer["account"]; mode: number }[] = isRoot
  ? [
      { who: "root, in a folder nobody else may enter", account: {}, mode: 0o700 },
      { who: "an ordinary user", account: { uid: NOBODY, gid: NOBODY }, mode: 0o755 },
    ]
  : [{ who: "an ordinary user", account: {}, mode: 0o700 }];

describe("a fresh clone with only PATH and HOME in its environment", { timeout: INSTALL_MS + 60_000 }, () => {
  test.each(cases)(
    "starts for $who, makes its governed call, and leaves nothing running",
    async ({ account, mode }) => {
      const person = await newcomer(account, mode);
      const output = await startOnce(person);
      expect(output).toContain("[REDACTED:card]");
      expect(output).not.toMatch(CARD);
      expect(output).toMatch(/recordings show [0-9a-f-]{36}/);
      for (let left = 50; left > 0 && (await processesWithHome(person.home)).length > 0; left--)
        await sleep(200);
      expect((await processesWithHome(person.home)).map(({ command }) => command)).toEqual([]);
    },
  );
});
