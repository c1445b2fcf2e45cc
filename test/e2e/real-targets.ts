import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { seedShop } from "@drawbridge/embedded";
import { eventually } from "@drawbridge/testing";
import pg from "pg";
import { Program } from "./program.js";
import { programs } from "./programs.js";
import type { AllowList, System } from "./system.js";

const DBHUB = [programs.dbhub, "--transport", "stdio"];
/** A made-up token in a file, of a kind that masking has to find. */
export const FILE_TOKEN = `ghp_${"0123456789abcdefghijABCDEFGHIJ".repeat(2).slice(0, 36)}`;

/** Lets the agent run the third-party servers, the one with files for that folder only. */
export function realCommands(files: string): AllowList["commands"] & object {
  return [
    { command: programs.node, arguments: DBHUB, environment: ["DSN"] },
    { command: programs.node, arguments: [programs.filesystemServer, files] },
  ];
}

export interface Shop {
  readonly dsn: string;
  readonly password: string;
  readonly cards: readonly string[];
  readonly passwordHashes: readonly string[];
  readonly apiKeys: readonly string[];
}

/** `shop`: PostgreSQL through @bytebase/dbhub over stdio, with secrets made up now. */
export async function applyShop(system: System): Promise<Shop> {
  const { dsn } = await seedShop(system.postgres.superuserUrl);
  await system.applyTarget("shop", {
    stdio: { command: programs.node, arguments: DBHUB, environment: { DSN: dsn } },
  });
  const url = new URL(system.postgres.superuserUrl);
  url.pathname = "/shop";
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    const values = async (sql: string) =>
      (await client.query<{ value: string }>(sql)).rows.map(({ value }) => value);
    return {
      dsn,
      password: new URL(dsn).password,
      cards: await values("select card_number as value from customers"),
      passwordHashes: await values("select password_hash as value from customers"),
      apiKeys: await values("select api_key as value from integrations"),
    };
  } finally {
    await client.end();
  }
}

/** `files`: the filesystem server on a folder with a harmless file and one with a token. */
export async function applyFiles(system: System, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, "welcome.md"), "# Welcome\n");
  await writeFile(path.join(folder, "deploy.env"), `API_TOKEN=${FILE_TOKEN}\n`);
  await system.applyTarget("files", {
    stdio: { command: programs.node, arguments: [programs.filesystemServer, folder] },
  });
}

/** The protocol's reference server over Streamable HTTP, which would otherwise listen on every interface. */
export async function startEverything(port: number, home: string): Promise<Program> {
  const everything = new Program({
    name: "everything",
    command: programs.node,
    args: ["--import", programs.loopbackOnly, programs.everythingServer, "streamableHttp"],
    cwd: home,
    env: { PATH: "/usr/bin:/bin", HOME: home, PORT: String(port) },
  });
  await everything.start();
  await everything.until(async () => {
    const response = await fetch(`http://127.0.0.1:${port}/mcp`);
    await response.body?.cancel();
  }, 30_000);
  return everything;
}

export async function allGone(system: System): Promise<void> {
  await eventually(async () => (await system.children()).length === 0, { timeoutMs: 10_000 });
}
