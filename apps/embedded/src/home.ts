import { randomBytes } from "node:crypto";
import { chmod, mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { readFileIfPresent, removePostgres, writePrivateFile } from "@drawbridge/embedded";

/** The folder with everything that lasts from one start to the next. */
export interface Home {
  directory: string;
  postgres: string;
  identity: string;
  agent: string;
  agentConfig: string;
  demoFiles: string;
  kekFile: string;
  shopPasswordFile: string;
  logs: string;
  /** What runs now, so that the next start finds what a killed one left. */
  running: string;
  lockFile: string;
}

/** Makes the folder and what must be there before anything starts. */
export async function openHome(directory: string): Promise<Home> {
  const inside = (name: string): string => path.join(directory, name);
  const home: Home = {
    directory,
    postgres: inside("postgres"),
    identity: inside("identity"),
    agent: inside("agent"),
    agentConfig: inside("agent.yaml"),
    demoFiles: inside("demo-files"),
    kekFile: inside("key-encryption.key"),
    shopPasswordFile: inside("shop-password"),
    logs: inside("logs"),
    running: inside("running"),
    lockFile: inside("lock"),
  };
  await mkdir(directory, { recursive: true });
  // Root lends its database to another account, which must be able to pass through; every secret in here is 0600.
  await chmod(directory, process.getuid?.() === 0 ? 0o711 : 0o700);
  for (const folder of [home.logs, home.running]) await mkdir(folder, { recursive: true, mode: 0o700 });
  return home;
}

/** Removes what earlier starts kept. The lock stays: it is ours. */
export async function resetHome(home: Home): Promise<void> {
  await removePostgres(home.postgres);
  const kept = [
    home.identity,
    home.agent,
    home.agentConfig,
    home.demoFiles,
    home.kekFile,
    home.shopPasswordFile,
    home.logs,
  ];
  for (const file of kept) await rm(file, { recursive: true, force: true });
  await mkdir(home.logs, { mode: 0o700 });
}

/** The secret in this file, made by the first start. */
export async function keptSecret(file: string, make: () => string): Promise<string> {
  const kept = await readFileIfPresent(file);
  if (kept !== undefined) return kept.trim();
  const secret = make();
  await writePrivateFile(file, `${secret}\n`);
  return secret;
}

/** 32 bytes in hexadecimal, as DRAWBRIDGE_KEK_FILE wants them. */
export function newKeyEncryptionKey(): string {
  return randomBytes(32).toString("hex");
}
