import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

interface Stamp {
  hashFiles: (root: string, files: string[], ...words: string[]) => string;
  installInputs: (root: string) => string[];
  isUpToDate: (stampFile: string, hash: string) => boolean;
  writeStamp: (stampFile: string, hash: string) => void;
}
// Plain JavaScript, because it runs before anything is installed; a URL keeps the compiler from asking for its types.
const script = new URL("../../scripts/stamp.mjs", import.meta.url);
const { hashFiles, installInputs, isUpToDate, writeStamp } = (await import(script.href)) as Stamp;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), "drawbridge-stamp-"));
  await mkdir(path.join(root, "libs/mcp"), { recursive: true });
  await mkdir(path.join(root, "libs/empty"), { recursive: true });
  await writeFile(path.join(root, "pnpm-lock.yaml"), "lock");
  await writeFile(path.join(root, "pnpm-workspace.yaml"), "workspace");
  await writeFile(path.join(root, "package.json"), "{}");
  await writeFile(path.join(root, "libs/mcp/package.json"), "{}");
});
afterEach(() => rm(root, { recursive: true }));

const hash = (...words: string[]): string => hashFiles(root, installInputs(root), ...words);

describe("the stamp of an install", () => {
  test("reads the lockfile, the workspace and every manifest there is", () => {
    expect(installInputs(root)).toEqual([
      "pnpm-lock.yaml",
      "pnpm-workspace.yaml",
      "package.json",
      "libs/mcp/package.json",
    ]);
  });

  test("is out of date when there is none, as after an install that was cut short", () => {
    expect(isUpToDate(path.join(root, "node_modules/.stamp"), hash())).toBe(false);
  });

  test("is up to date after it was written, until something changes", async () => {
    const stampFile = path.join(root, "node_modules/.stamp");
    writeStamp(stampFile, hash("linux"));
    expect(isUpToDate(stampFile, hash("linux"))).toBe(true);
    expect(isUpToDate(stampFile, hash("darwin"))).toBe(false);
    await writeFile(path.join(root, "pnpm-lock.yaml"), "another lock");
    expect(isUpToDate(stampFile, hash("linux"))).toBe(false);
  });

  test("changes when a manifest is added, changed or removed", async () => {
    const before = hash();
    await writeFile(path.join(root, "libs/empty/package.json"), "{}");
    const added = hash();
    await rm(path.join(root, "libs/mcp/package.json"));
    const removed = hash();
    expect(new Set([before, added, removed]).size).toBe(3);
  });

  test("does not depend on the order in which files are named", () => {
    expect(hashFiles(root, ["package.json", "pnpm-lock.yaml"])).toBe(
      hashFiles(root, ["pnpm-lock.yaml", "package.json"]),
    );
  });
});
