import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { takeStartLock } from "./start-lock.js";

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), "drawbridge-lock-"));
  file = path.join(directory, "lock");
});
afterEach(() => rm(directory, { recursive: true }));

describe("takeStartLock", () => {
  test("refuses a second start and says who runs", async () => {
    const release = await takeStartLock(file);
    await expect(takeStartLock(file)).rejects.toThrow(`process ${process.pid}`);
    await release();
    await (
      await takeStartLock(file)
    )();
  });

  test.each([
    { name: "a process that is gone", content: JSON.stringify({ pid: 4_194_000, identity: "1" }) },
    {
      name: "an earlier process with a pid that another has now",
      content: JSON.stringify({ pid: process.pid, identity: "1" }),
    },
    { name: "a start that was killed while it wrote", content: '{"pid":' },
  ])("takes over the lock of $name", async ({ content }) => {
    await writeFile(file, content);
    const release = await takeStartLock(file);
    expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({ pid: process.pid });
    await release();
  });
});
