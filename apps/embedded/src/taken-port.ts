import { readFile, readdir, readlink } from "node:fs/promises";
import { commandLine, isPortFree } from "@drawbridge/embedded";
import type { Ports } from "./options.js";

const USES: Record<keyof Ports, string> = {
  controlPlane: "the control plane",
  agents: "agents",
  identity: "the identity provider",
  everything: "a demo target",
};

/** Says before anything starts which port is taken, by whom where that can be known, and what to do. */
export async function requireFreePorts(ports: Ports): Promise<void> {
  for (const [use, port] of Object.entries(ports) as [keyof Ports, number][]) {
    if (await isPortFree(port)) continue;
    const holder = await portHolder(port);
    throw new Error(
      `port ${port}, which ${USES[use]} needs, is taken by ${holder ?? "another program"}; ` +
        "stop it, or choose other ports with npm start -- --port 9080",
    );
  }
}

/** The process that listens on the port, from /proc; undefined where that cannot be known (another user's, no /proc). */
async function portHolder(port: number): Promise<string | undefined> {
  const sockets = await listeningSockets(port).catch(() => new Set<string>());
  if (sockets.size === 0) return undefined;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    if (await holdsSocket(pid, sockets)) {
      return `process ${pid} (${((await commandLine(Number(pid))) ?? "").slice(0, 100)})`;
    }
  }
  return undefined;
}

async function listeningSockets(port: number): Promise<Set<string>> {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const tables = await Promise.all(["/proc/net/tcp", "/proc/net/tcp6"].map((file) => readFile(file, "utf8")));
  const rows = tables.flatMap((table) => table.split("\n").slice(1)).map((row) => row.trim().split(/\s+/));
  const LISTEN = "0A";
  return new Set(
    rows
      .filter(([, local, , state]) => state === LISTEN && local?.endsWith(wanted))
      .map((columns) => `socket:[${columns[9]}]`),
  );
}

async function holdsSocket(pid: string, sockets: ReadonlySet<string>): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")));
  return links.some((link) => sockets.has(link));
}
