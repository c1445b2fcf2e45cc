import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { SCRIPTABLE_SERVER_PATH } from "@drawbridge/testing";
import type { TargetDefinition } from "@drawbridge/protocol";
import { type Logger, pino } from "pino";
import { type RunningAgent, startAgent } from "../agent.js";
import { type AgentConfig, DEFAULT_LIMITS, type Limits } from "../config.js";
import { join } from "../enrolment/join.js";
import { parseJoinToken } from "../enrolment/join-token.js";
import { StateDirectory } from "../enrolment/state-directory.js";
import { parseUrlRule } from "../targets/url-rule.js";
import type { FakeControlPlane } from "./fake-control-plane.js";

export interface AgentUnderTest extends RunningAgent {
  readonly state: StateDirectory;
  /** What it logged, a JSON object a line. */
  readonly logs: readonly string[];
}

/** Allows the scriptable server with up to two switches, and whatever listens on 127.0.0.1 at `urls`. */
export function testConfig(urls: readonly string[] = [], limits: Partial<Limits> = {}): AgentConfig {
  const rule = { command: process.execPath, directories: [], environment: ["COUNTER_FILE", "SOME_NAME"] };
  return {
    allow: {
      commands: [
        { ...rule, arguments: [SCRIPTABLE_SERVER_PATH] },
        { ...rule, arguments: [SCRIPTABLE_SERVER_PATH, "*"] },
        { ...rule, arguments: [SCRIPTABLE_SERVER_PATH, "*", "*"] },
      ],
      urls: urls.map((url) => parseUrlRule(url)),
    },
    limits: { ...DEFAULT_LIMITS, ...limits },
  };
}

/** Allows this script as well, with up to one argument, for `node -e`. */
export function allowingScript(script: string, limits: Partial<Limits> = {}): AgentConfig {
  const config = testConfig([], limits);
  const rule = { command: process.execPath, directories: [], environment: [] };
  const commands = [
    ["-e", script],
    ["-e", script, "*"],
  ].map((args) => ({ ...rule, arguments: args }));
  return { ...config, allow: { ...config.allow, commands: [...config.allow.commands, ...commands] } };
}

export function stdioTarget(...switches: string[]): TargetDefinition {
  return stdioTargetWith({ arguments: [SCRIPTABLE_SERVER_PATH, ...switches] });
}

export function stdioTargetWith(
  transport: Partial<Extract<TargetDefinition["transport"], { $case: "stdio" }>["value"]>,
): TargetDefinition {
  const value = {
    command: process.execPath,
    arguments: [],
    workingDirectory: "",
    environment: {},
    limits: undefined,
    ...transport,
  };
  return { name: "scriptable", transport: { $case: "stdio", value }, exchangeTimeoutMs: 0, idleTimeoutMs: 0 };
}

export function httpTarget(url: string, headers: Record<string, string> = {}): TargetDefinition {
  const transport = { $case: "http", value: { url, headers } } as const;
  return { name: "scriptable", transport, exchangeTimeoutMs: 0, idleTimeoutMs: 0 };
}

export async function temporaryState(): Promise<{ state: StateDirectory; remove: () => Promise<void> }> {
  const directory = await mkdtemp(path.join(tmpdir(), "drawbridge-agent-"));
  return {
    state: new StateDirectory(directory),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** Joins the control plane and starts an agent in this process. */
export async function startTestAgent(
  controlPlane: FakeControlPlane,
  state: StateDirectory,
  config: AgentConfig = testConfig(),
): Promise<AgentUnderTest> {
  const identity = await join({
    token: parseJoinToken(controlPlane.invite()),
    enrolment: controlPlane.address,
    controlPlane: [controlPlane.address],
    state,
  });
  const logs: string[] = [];
  const log: Logger = pino({ level: "debug", base: null }, { write: (line) => logs.push(line) });
  const environment = { PATH: "/usr/bin:/bin", HOME: "/nowhere", AGENT_SECRET: "never for children" };
  const agent = await startAgent({ identity, state, config, environment, log });
  return { ...agent, state, logs };
}
