import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { SCRIPTABLE_SERVER_PATH } from "@drawbridge/testing";
import { stringify } from "yaml";
import { onTestEnd } from "./agent-bench.js";
import { AgentProcess } from "./agent-process.js";
import { temporaryState } from "./agent-under-test.js";
import { FakeControlPlane } from "./fake-control-plane.js";

export interface Surroundings {
  readonly controlPlane: FakeControlPlane;
  /** The state directory; its parent has the configuration. */
  readonly state: string;
  readonly config: string;
}

/** What the real program needs around it. It may run the scriptable server, and Node with the arguments of `allowed`. */
export async function surroundings(allowed: readonly (readonly string[])[] = []): Promise<Surroundings> {
  const controlPlane = await FakeControlPlane.start({ permissionMs: 15_000, pingIntervalMs: 1_000 });
  onTestEnd(() => controlPlane.stop());
  const { state, remove } = await temporaryState();
  onTestEnd(remove);
  const config = path.join(state.path, "agent.yaml");
  const commands = [[SCRIPTABLE_SERVER_PATH], ...allowed].map((args) => ({
    command: process.execPath,
    arguments: [...args],
  }));
  await writeFile(config, stringify({ allow: { commands } }));
  return { controlPlane, state: path.join(state.path, "state"), config };
}

/** Killed when the test ends. */
export function startProcess(...args: string[]): AgentProcess {
  const agent = new AgentProcess(args);
  onTestEnd(async () => {
    agent.kill("SIGKILL");
    await agent.exited;
  });
  return agent;
}

/** Joins and runs in one command, as a deployment does. */
export async function startJoined(
  allowed?: readonly (readonly string[])[],
): Promise<Surroundings & { agent: AgentProcess }> {
  const around = await surroundings(allowed);
  const { controlPlane, state, config } = around;
  const join = ["--token", controlPlane.invite(), "--control-plane", controlPlane.addressText];
  const agent = startProcess("run", "--state", state, "--config", config, ...join);
  await controlPlane.connection();
  return { ...around, agent };
}

export function residentMb({ child }: AgentProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1_000;
}
