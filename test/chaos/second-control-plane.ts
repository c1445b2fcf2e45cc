import path from "node:path";
import { eventually, freePort } from "@drawbridge/testing";
import { Program } from "../e2e/program.js";
import { programs } from "../e2e/programs.js";
import type { System } from "../e2e/system.js";

export interface SecondControlPlane {
  readonly url: string;
  stop(): Promise<void>;
}

/** Beside the system's own, on the same database, with an agent of its own. */
export async function startSecondControlPlane(
  system: System,
  settings: Record<string, string>,
): Promise<SecondControlPlane> {
  const host = `127.0.0.1:${await freePort()}`;
  const agentHost = `127.0.0.1:${await freePort()}`;
  const controlPlane = system.anotherControlPlane({
    ...settings,
    DRAWBRIDGE_LISTEN: host,
    DRAWBRIDGE_AGENT_LISTEN: agentHost,
    DRAWBRIDGE_ALLOWED_HOSTS: host,
  });
  await controlPlane.start();
  const url = `http://${host}`;
  await controlPlane.until(async () => {
    const { status } = await fetch(`${url}/healthz`);
    if (status !== 200) throw new Error(`/healthz answers ${status}`);
  }, 60_000);
  const state = path.join(system.directory, "second-agent");
  const { token } = await system.invite();
  const join = ["join", "--control-plane", agentHost, "--token", token, "--state", state];
  const joined = await system.runAgent(...join);
  if (joined.code !== 0) throw new Error(`the second agent could not join: ${joined.output}`);
  const agent = new Program({
    name: "second agent",
    command: programs.node,
    args: [programs.agent, "run", "--state", state, "--config", path.join(system.directory, "agent.yaml")],
    cwd: system.directory,
    env: { PATH: `${path.dirname(programs.node)}:/usr/local/bin:/usr/bin:/bin`, HOME: system.agentHome },
  });
  await agent.start();
  await eventually(
    () => {
      if (!agent.output.includes("connected to the control plane")) throw new Error(agent.output);
    },
    { timeoutMs: 60_000 },
  );
  return {
    url,
    stop: async () => {
      await agent.stop();
      await controlPlane.stop();
    },
  };
}
