// Knows whether a step of the build is up to date: each step leaves the hash of what it read, written last, so that
// a step cut short leaves no stamp and is done again.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";

/** The hash of these files' names and contents, and of the words given with them. A missing file counts as such. */
export function hashFiles(root, files, ...words) {
  const hash = createHash("sha256");
  for (const word of words) hash.update(`${word}\0`);
  for (const file of [...files].sort(byCodeUnit)) {
    const absolute = path.join(root, file);
    const content = existsSync(absolute) ? readFileSync(absolute) : "missing";
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

// Node 18, which may run this, has no toSorted; and the order must not depend on a locale.
const byCodeUnit = (a, b) => (a < b ? -1 : Number(a > b));

/** What an install depends on: the lockfile, the workspace and every manifest in it. */
export function installInputs(root) {
  const folders = ["apps", "libs"].flatMap((parent) => subfolders(root, parent));
  const manifests = [".", "test", "bench", ...folders].map((folder) => path.join(folder, "package.json"));
  return [
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    ...manifests.filter((file) => existsSync(path.join(root, file))),
  ];
}

export function isUpToDate(stampFile, hash) {
  return existsSync(stampFile) && readFileSync(stampFile, "utf8") === hash;
}

export function writeStamp(stampFile, hash) {
  mkdirSync(path.dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, hash);
}

function subfolders(root, parent) {
  const directory = path.join(root, parent);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(parent, entry.name));
}
