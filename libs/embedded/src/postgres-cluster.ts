import { randomBytes } from "node:crypto";
import { chown, mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { spawnGuarded } from "./guarded-child.js";
import { findFreePort } from "./ports.js";
import {
  type Placement,
  type PlacementWish,
  makeAccountDirectory,
  placePostgres,
} from "./postgres-placement.js";
import { readFileIfPresent, writePrivateFile } from "./private-file.js";

/** What a cluster keeps beside its data, in <directory>/postgres.json, which only its owner can read. */
export interface ClusterSettings {
  port: number;
  dataDirectory: string;
  superuserPassword: string;
  ownerPassword: string;
  appPassword: string;
}

export interface Cluster {
  placement: Placement;
  settings: ClusterSettings;
}

const settingsFile = (directory: string): string => path.join(directory, "postgres.json");

export async function readSettings(directory: string): Promise<ClusterSettings | undefined> {
  const text = await readFileIfPresent(settingsFile(directory));
  return text === undefined ? undefined : (JSON.parse(text) as ClusterSettings);
}

export async function writeSettings(directory: string, settings: ClusterSettings): Promise<void> {
  await writePrivateFile(settingsFile(directory), `${JSON.stringify(settings, null, 2)}\n`);
}

/**
 * Finds the cluster of this directory or makes it. The settings are stored before the data and the data appears
 * whole, so that a start cut short anywhere is simply continued by the next.
 */
export async function openCluster(wish: PlacementWish): Promise<Cluster> {
  const { directory } = wish;
  await mkdir(directory, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  const stored = await readSettings(directory);
  const existing = stored !== undefined && (await isDirectory(stored.dataDirectory)) ? stored : undefined;
  const placement = await placePostgres(wish, existing?.dataDirectory);
  if (existing !== undefined) return { placement, settings: existing };
  if (stored === undefined) await refuseDataWithoutSettings(directory, placement.dataDirectory);

  const settings = {
    port: stored?.port ?? (await findFreePort()),
    dataDirectory: placement.dataDirectory,
    superuserPassword: randomPassword(),
    ownerPassword: randomPassword(),
    appPassword: randomPassword(),
  };
  await writeSettings(directory, settings);
  await initialise(placement, settings.superuserPassword);
  return { placement, settings };
}

async function refuseDataWithoutSettings(directory: string, dataDirectory: string): Promise<void> {
  if (!(await isDirectory(dataDirectory))) return;
  throw new Error(
    `there is a database in ${dataDirectory} but its passwords in ${settingsFile(directory)} are gone; ` +
      "put that file back, or start afresh with --reset",
  );
}

async function initialise(placement: Placement, superuserPassword: string): Promise<void> {
  const { account, dataDirectory, nativeDirectory } = placement;
  const partial = `${dataDirectory}.partial`;
  await makeAccountDirectory(partial, account);
  const passwordFile = path.join(partial, "password");
  const data = path.join(partial, "data");
  await writeFile(passwordFile, superuserPassword, { mode: 0o600, flag: "wx" });
  if (account !== undefined) await chown(passwordFile, account.uid, account.gid);

  const lines: string[] = [];
  const initdb = await spawnGuarded({
    command: path.join(nativeDirectory, "bin", "initdb"),
    args: [
      `--pgdata=${data}`,
      "--username=postgres",
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      // UTF-8 whatever the environment says: under env -i the database would become SQL_ASCII.
      "--encoding=UTF8",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--locale=C",
      "--no-instructions",
    ],
    env: postgresEnvironment(),
    cwd: "/",
    stopSignal: "TERM",
    onLine: (line) => lines.push(line),
    account,
  });
  const { code } = await initdb.exited;
  if (code !== 0) throw new Error(`could not create the database:\n${lines.slice(-10).join("\n")}`);
  await rename(data, dataDirectory);
  await rm(partial, { recursive: true });
}

/** Nothing of our own environment is Postgres' business; its messages are in English, which we wait for. */
export function postgresEnvironment(): Record<string, string> {
  return { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
}

function randomPassword(): string {
  return randomBytes(24).toString("base64url");
}

async function isDirectory(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.isDirectory() ?? false;
}
