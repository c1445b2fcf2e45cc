import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { eventually, freePort } from "@drawbridge/testing";

export interface Redis {
  readonly url: string;
  stop(): Promise<void>;
}

/** One of its own, which keeps nothing. Undefined where redis-server is neither there nor can be installed. */
export async function startRedis(say: (text: string) => void): Promise<Redis | undefined> {
  if (!isInstalled() && !install(say)) return undefined;
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const child = spawn("redis-server", args, { stdio: "ignore" });
  await eventually(() => execFileSync("redis-cli", ["-p", String(port), "ping"]).includes("PONG"));
  return {
    url: `redis://127.0.0.1:${port}`,
    stop: async () => {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}

function isInstalled(): boolean {
  try {
    execFileSync("redis-server", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function install(say: (text: string) => void): boolean {
  if (process.getuid?.() !== 0) return false;
  say("redis-server is not installed; trying apt-get install -y redis-server");
  try {
    execFileSync("apt-get", ["install", "-y", "redis-server"], { stdio: "ignore", timeout: 180_000 });
  } catch {
    return false;
  }
  return isInstalled();
}
