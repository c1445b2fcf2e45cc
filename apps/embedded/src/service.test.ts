import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { processIdentity } from "@drawbridge/embedded";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Home, openHome } from "./home.js";
import { type Service, eventually, startService } from "./service.js";

let directory: string;
let home: Home;
let service: Service | undefined;
const said: string[] = [];
beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), "drawbridge-service-"));
  home = await openHome(directory);
  said.length = 0;
});
afterEach(async () => {
  await service?.stop();
  service = undefined;
  await rm(directory, { recursive: true });
});

async function start(script: string, ready = async (): Promise<unknown> => true): Promise<Service> {
  service = await startService(
    {
      name: "part",
      command: process.execPath,
      args: ["-e", script],
      env: {},
      say: (text) => said.push(text),
    },
    home,
    ready,
  );
  return service;
}

const markedPid = async (): Promise<number> =>
  (JSON.parse(await readFile(path.join(home.running, "part.json"), "utf8")) as { pid: number }).pid;

describe("startService", () => {
  test("starts a part again that was killed, and says so", async () => {
    await start("console.log('up'); setInterval(() => {}, 1000)");
    const ups = async (): Promise<number> =>
      (await readFile(path.join(home.logs, "part.log"), "utf8")).split("up\n").length - 1;
    await eventually("the first start", 10_000, async () => ((await ups()) === 1 ? true : undefined));
    const first = await markedPid();
    process.kill(first, "SIGKILL");
    await eventually("the restart", 10_000, async () => ((await ups()) === 2 ? true : undefined));
    const second = await markedPid();
    expect(await processIdentity(second)).toBeDefined();
    expect(said).toEqual([expect.stringContaining("part ended with code 137; starting it again")]);
    await service?.stop();
    expect(await processIdentity(second)).toBeUndefined();
    expect(await readdir(home.running)).toEqual([]);
  });

  test("fails the start of a part that ends at once, with the end of its log, and does not start it again", async () => {
    const never = () => new Promise<never>(() => {});
    const starting = start("console.error('no such setting'); process.exit(3)", never);
    await expect(starting).rejects.toThrow(
      /part ended with code 3 while it started[^]*part\.log[^]*no such setting/,
    );
    expect(said).toEqual([]);
    expect(await readdir(home.running)).toEqual([]);
  });

  test("stops a part that never becomes ready", async () => {
    let pid = 0;
    const fails = async (): Promise<never> => {
      pid = await markedPid();
      throw new Error("the part did not become ready");
    };
    await expect(start("setInterval(() => {}, 1000)", fails)).rejects.toThrow(
      "the part did not become ready",
    );
    expect(await processIdentity(pid)).toBeUndefined();
  });

  test("stops promptly while it waits before the next try", async () => {
    await start("process.exit(1)");
    await eventually("several deaths", 10_000, async () => (said.length >= 3 ? true : undefined));
    const startedAt = Date.now();
    await service?.stop();
    expect(Date.now() - startedAt).toBeLessThan(2_000);
  });

  test("gives a part nothing of our own environment", async () => {
    await start("console.log(JSON.stringify(Object.keys(process.env)))");
    const names = await eventually("its output", 10_000, async () => {
      const text = await readFile(path.join(home.logs, "part.log"), "utf8");
      return text.includes("\n") ? (JSON.parse(text.split("\n")[0] ?? "") as string[]) : undefined;
    });
    // The shell that guards it adds these.
    expect(names.filter((name) => !["PWD", "OLDPWD", "SHLVL", "_"].includes(name))).toEqual([]);
  });
});
