import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Account {
  uid: number;
  gid: number;
}

/**
 * Whom Postgres runs as: undefined means as ourselves. Postgres refuses to run as root, so root lends it to the owner
 * of the data that is there, else to the machine's postgres user, else to nobody. (Postgres wants an account
 * that has a name, so a made-up uid would not do.)
 */
export async function postgresAccount(existingData: string | undefined): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  if (existingData !== undefined) {
    const { uid, gid } = await stat(existingData);
    if (uid !== 0) return { uid, gid };
  }
  const account = (await accountNamed("postgres")) ?? (await accountNamed("nobody"));
  if (account === undefined) {
    throw new Error(
      "postgres cannot run as root and there is no user postgres or nobody; start as an ordinary user",
    );
  }
  return account;
}

async function accountNamed(name: string): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all([run("id", ["-u", name]), run("id", ["-g", name])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return undefined;
  }
}

/** Whether the account may do this ("r", "w" or "x") to a path: asked of the system, so that every rule counts. */
export async function accountMay(
  account: Account | undefined,
  access: "r" | "w" | "x",
  file: string,
): Promise<boolean> {
  try {
    await run("/bin/sh", ["-c", `test -${access} "$1"`, "sh", file], { cwd: "/", ...account });
    return true;
  } catch {
    return false;
  }
}
