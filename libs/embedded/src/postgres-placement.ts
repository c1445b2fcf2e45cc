import { createHash, randomBytes } from "node:crypto";
import { chmod, chown, cp, lstat, mkdir, opendir, realpath, rename, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type Account, accountMay, postgresAccount } from "./postgres-account.js";
import { installedPostgres } from "./postgres-binaries.js";

/**
 * Where Postgres keeps its data and finds its programs.
 *
 * An ordinary user has both where they are expected: <directory>/data and node_modules. Root must lend Postgres to
 * another account, which may not be able to enter <directory> or node_modules (a clone in /root, mode 0700).
 * What that account cannot enter goes to <fallback>, which is /var/lib/drawbridge-embedded, or, where that cannot be
 * made, a folder of that name in the folder for temporary files.
 */
export interface Placement {
  account: Account | undefined;
  dataDirectory: string;
  nativeDirectory: string;
}

export interface PlacementWish {
  directory: string;
  fallbackDirectory?: string;
  nativeDirectory?: string;
}

/** Chooses the place of a new cluster, or finds what an existing one needs. Makes no data. */
export async function placePostgres(
  wish: PlacementWish,
  existingData: string | undefined,
): Promise<Placement> {
  const account = await postgresAccount(existingData);
  const dataDirectory = existingData ?? (await chooseDataDirectory(wish, account));
  if (existingData !== undefined) await requireAccess(account, existingData);
  return { account, dataDirectory, nativeDirectory: await enterableNative(wish, account) };
}

async function chooseDataDirectory(
  { directory, fallbackDirectory: fallback }: PlacementWish,
  account: Account | undefined,
): Promise<string> {
  if (account === undefined || (await accountMay(account, "x", directory)))
    return path.join(directory, "data");
  const key = createHash("sha256")
    .update(await realpath(directory))
    .digest("hex")
    .slice(0, 16);
  const parent = path.join(await fallbackDirectory(fallback), key);
  await mkdir(parent, { recursive: true, mode: 0o711 });
  await chmod(parent, 0o711);
  return path.join(parent, "data");
}

async function requireAccess(account: Account | undefined, dataDirectory: string): Promise<void> {
  if (await accountMay(account, "w", dataDirectory)) return;
  const { uid } = await stat(dataDirectory);
  throw new Error(
    `the database in ${dataDirectory} belongs to uid ${uid} and cannot be opened by uid ${account?.uid ?? process.getuid?.()}; ` +
      "start as the user who made it, or start afresh with --reset",
  );
}

async function enterableNative(wish: PlacementWish, account: Account | undefined): Promise<string> {
  if (wish.nativeDirectory !== undefined) return wish.nativeDirectory;
  const { nativeDirectory, version } = installedPostgres();
  if (
    account === undefined ||
    (await accountMay(account, "x", path.join(nativeDirectory, "bin", "postgres")))
  ) {
    return nativeDirectory;
  }
  const copy = path.join(await fallbackDirectory(wish.fallbackDirectory), `native-${version}`);
  if ((await lstat(copy).catch(() => undefined)) !== undefined) return copy;
  const partial = `${copy}.${randomBytes(6).toString("hex")}.partial`;
  await cp(nativeDirectory, partial, { recursive: true, verbatimSymlinks: true });
  await letEverybodyRead(partial);
  // Renamed when complete, so that a copy cut short is never used. Another start may have been faster.
  await rename(partial, copy).catch(() => rm(partial, { recursive: true }));
  return copy;
}

/** The copy inherits the modes of an install made under a strict umask; it holds nothing secret. */
async function letEverybodyRead(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for await (const entry of await opendir(directory, { recursive: true })) {
    if (entry.isSymbolicLink()) continue;
    const executable = entry.isDirectory() || path.basename(entry.parentPath) === "bin";
    await chmod(path.join(entry.parentPath, entry.name), executable ? 0o755 : 0o644);
  }
}

async function fallbackDirectory(chosen: string | undefined): Promise<string> {
  if (chosen !== undefined) return ownDirectory(chosen);
  try {
    return await ownDirectory("/var/lib/drawbridge-embedded");
  } catch {
    return ownDirectory(path.join(os.tmpdir(), "drawbridge-embedded"));
  }
}

/** Refuses a folder that somebody else made first: in a folder for temporary files anybody could have. */
async function ownDirectory(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o711 });
  const found = await lstat(directory);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new Error(`${directory} is not ours; remove it and start again`);
  }
  await chmod(directory, 0o711);
  return directory;
}

/** Makes an empty folder that only the account of the database may enter. */
export async function makeAccountDirectory(directory: string, account: Account | undefined): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { mode: 0o700 });
  if (account !== undefined) await chown(directory, account.uid, account.gid);
}
