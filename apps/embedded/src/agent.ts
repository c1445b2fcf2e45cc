import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { writePrivateFile } from "@drawbridge/embedded";
import { stringify } from "yaml";
import type { Home } from "./home.js";
import { programs } from "./programs.js";
import type { RestApi } from "./rest-api.js";
import { type Service, eventually, startService } from "./service.js";

const run = promisify(execFile);

export const AGENT_GROUP = "demo";
const CONNECTED_WITHIN_MS = 30_000;

/** What this host's operator allows the agent; everything else is refused here, whoever asks. */
export interface AllowList {
  commands: { command: string; arguments: string[]; environment?: string[] }[];
  urls: string[];
}

export interface AgentSettings {
  home: Home;
  /** host:port where the control plane listens for agents. */
  controlPlane: string;
  /** As an operator. */
  api: RestApi;
  allow: AllowList;
  say: (text: string) => void;
}

interface AgentView {
  id: string;
  state: string;
  connected: boolean;
  lastSeenAt: string | null;
}

/** Starts the agent as on any other host: joins with a one-time token when it must, then runs until stopped. */
export async function startAgent(settings: AgentSettings): Promise<Service> {
  const { home, api, say } = settings;
  await writePrivateFile(home.agentConfig, stringify({ allow: settings.allow }));
  const agentId = (await usableIdentity(settings)) ?? (await join(settings));
  const args = [programs.agent, "run", "--state", home.agent, "--config", home.agentConfig];
  args.push("--control-plane", settings.controlPlane);
  const env = agentEnvironment(home);
  const startedAt = Date.now();
  return startService({ name: "agent", command: programs.node, args, env, say }, home, () =>
    eventually("the agent's connection", CONNECTED_WITHIN_MS, async () => {
      const agent = await findAgent(api, agentId);
      // For some seconds after a restart the control plane still counts an agent of before as connected.
      const seen = Date.parse(agent?.lastSeenAt ?? "") >= startedAt;
      return (seen && agent?.connected) || undefined;
    }),
  );
}

/**
 * The id of the agent that joined at an earlier start, if it may still connect: its certificate lives a day, and the
 * control plane may have been reset without it.
 */
async function usableIdentity({ home, api }: AgentSettings): Promise<string | undefined> {
  const status = JSON.parse(await runAgent(home, ["status", "--json", "--state", home.agent])) as
    | { joined: false }
    | { joined: true; agentId: string; certificate: { validTo: string } };
  if (!status.joined) return undefined;
  const agent = await findAgent(api, status.agentId);
  const valid = Date.parse(status.certificate.validTo) > Date.now() + 60_000;
  if (agent?.state === "active" && valid) return agent.id;
  // It can never connect again; a new one joins in its place.
  if (agent !== undefined) await api.delete(`/agents/${agent.id}`);
  return undefined;
}

async function join(settings: AgentSettings): Promise<string> {
  const { home, api, controlPlane } = settings;
  const { token } = await api.post<{ token: string }>("/join-tokens", { group: AGENT_GROUP });
  const tokenFile = path.join(home.directory, "join-token");
  await writePrivateFile(tokenFile, token);
  try {
    await runAgent(home, [
      "join",
      "--control-plane",
      controlPlane,
      "--token-file",
      tokenFile,
      "--state",
      home.agent,
      "--allow",
      home.agentConfig,
      "--force",
    ]);
  } finally {
    await rm(tokenFile, { force: true });
  }
  const status = await runAgent(home, ["status", "--json", "--state", home.agent]);
  return (JSON.parse(status) as { agentId: string }).agentId;
}

async function findAgent(api: RestApi, id: string): Promise<AgentView | undefined> {
  const page = await api.get<{ items: AgentView[] }>("/agents?limit=200");
  return page?.items.find((agent) => agent.id === id);
}

/** Runs one of the agent's commands to its end. */
async function runAgent(home: Home, args: string[]): Promise<string> {
  const options = { env: agentEnvironment(home), cwd: home.directory, timeout: 60_000 };
  try {
    return (await run(programs.node, [programs.agent, ...args], options)).stdout;
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim();
    throw new Error(said || `drawbridge-agent ${args[0]} failed`, { cause: error });
  }
}

function agentEnvironment(home: Home): Record<string, string> {
  return { PATH: `${path.dirname(programs.node)}:/usr/local/bin:/usr/bin:/bin`, HOME: home.directory };
}
