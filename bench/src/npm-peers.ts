import { execFile } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { findFreePort } from "@drawbridge/embedded";
import { CALL } from "./drawbridge-documents.js";
import { withChildren } from "./process-usage.js";
import { eventually, node, program, root, startProgram, STOP_WITHIN_MS } from "./programs.js";
import type { Subject } from "./subject.js";

const run = promisify(execFile);
const INSTALL_WITHIN_MS = 180_000;
const READY_WITHIN_MS = 30_000;

/** They would listen on every interface. */
const loopbackOnly = path.join(root, "apps/embedded/dist/loopback-only.js");

interface PeerWish {
  readonly targetUrl: string;
  readonly scratch: string;
  readonly say: (text: string) => void;
}

interface Peer {
  readonly packageName: string;
  readonly entry: string;
  readonly start: (installed: Installed, port: number) => Promise<PeerStart>;
}

interface Installed {
  readonly directory: string;
  readonly targetUrl: string;
}

interface PeerStart {
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
  readonly subject: Pick<Subject, "url" | "transport" | "toolName">;
}

const PEERS: readonly Peer[] = [
  {
    packageName: "mcp-hub",
    entry: "dist/cli.js",
    start: async ({ directory, targetUrl }, port) => {
      const config = path.join(directory, "config.json");
      await writeFile(config, JSON.stringify({ mcpServers: { stub: { url: targetUrl } } }));
      const env = { XDG_STATE_HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory };
      return {
        args: ["--port", String(port), "--config", config],
        env,
        subject: {
          url: `http://127.0.0.1:${port}/mcp`,
          transport: "sse",
          toolName: `stub__${CALL.name}`,
        },
      };
    },
  },
  {
    packageName: "supergateway",
    entry: "dist/index.js",
    // It bridges stdio only: each session gets a child of its own instead of the target over HTTP.
    start: async (_installed, port) => ({
      args: [
        "--stdio",
        `${node} ${program("stub-target")} stdio`,
        "--outputTransport",
        "streamableHttp",
        "--stateful",
        "--logLevel",
        "none",
        "--port",
        String(port),
      ],
      subject: { url: `http://127.0.0.1:${port}/mcp` },
    }),
  },
];

/** Gateways from npm, in their newest version. One that cannot be installed or started is left out, and that is said. */
export async function startPeers(wish: PeerWish): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const peer of PEERS) {
    try {
      subjects.push(await startPeer(peer, wish));
    } catch (error) {
      wish.say(
        `SKIPPED ${peer.packageName}: ${(error as Error).message.trim().split("\n").slice(-5).join("\n")}`,
      );
    }
  }
  return subjects;
}

async function startPeer({ packageName, entry, start }: Peer, wish: PeerWish): Promise<Subject> {
  const directory = await mkdtemp(path.join(wish.scratch, `${packageName}-`));
  wish.say(`installing ${packageName}`);
  // Without install scripts: what they would run is nobody's we know.
  const args = ["install", "--prefix", directory, "--no-audit", "--no-fund", "--ignore-scripts", packageName];
  await run("npm", args, { cwd: directory, timeout: INSTALL_WITHIN_MS });
  const port = await findFreePort();
  const { args: own, env, subject } = await start({ directory, targetUrl: wish.targetUrl }, port);
  const file = path.join(directory, "node_modules", packageName, entry);
  const child = await startProgram({
    name: packageName,
    args: ["--import", loopbackOnly, file, ...own],
    env: { HOME: directory, ...env },
    cwd: directory,
  });
  try {
    await eventually(`the start of ${packageName}`, READY_WITHIN_MS, () => toolIsThere(subject, port));
  } catch (error) {
    await child.stop(STOP_WITHIN_MS);
    throw new Error([(error as Error).message, ...child.lastLines].join("\n"), { cause: error });
  }
  return {
    ...subject,
    name: packageName,
    eras: ["legacy"],
    headers: {},
    parts: async () => [{ name: packageName, pids: await withChildren(child.pid) }],
    stop: () => child.stop(STOP_WITHIN_MS),
  };
}

/** mcp-hub connects to its targets after it listens; the others are ready when they answer at all. */
async function toolIsThere(
  { transport, url }: PeerStart["subject"],
  port: number,
): Promise<true | undefined> {
  const signal = AbortSignal.timeout(2_000);
  if (transport !== "sse") {
    const response = await fetch(url, { method: "DELETE", signal });
    await response.body?.cancel();
    return true;
  }
  const response = await fetch(`http://127.0.0.1:${port}/api/servers`, { signal });
  const text = await response.text();
  return text.includes(`"${CALL.name}"`) || undefined;
}
