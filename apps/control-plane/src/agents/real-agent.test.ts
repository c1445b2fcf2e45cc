import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TargetDefinition } from "@drawbridge/protocol";
import { SCRIPTABLE_SERVER_PATH } from "@drawbridge/testing";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { FakeListener } from "./fakes/fake-listener.js";
import { ADMIN, startTestAgents, type TestAgents } from "./fakes/test-agents.js";
import { JoinTokensService } from "./join-tokens.service.js";
import { DEFAULT_TIMINGS } from "./link-timings.js";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));
const FROM_SOURCE = [
  "--import",
  path.join(ROOT, "libs/embedded/src/run-from-source.mjs"),
  "--conditions=@drawbridge/source",
  path.join(ROOT, "apps/agent/src/main.ts"),
];

let platform: TestPlatform;
let agents: TestAgents;
let directory: string;
let program: ChildProcess | undefined;
let log = "";

beforeAll(async () => {
  platform = await startTestPlatform();
  agents = await startTestAgents(platform, DEFAULT_TIMINGS);
  directory = await mkdtemp(path.join(os.tmpdir(), "drawbridge-agent-"));
});
afterAll(async () => {
  if (program?.exitCode === null) {
    program.kill();
    await once(program, "exit");
  }
  await platform.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Runs the agent's own program, from its sources, as an operator would. */
function run(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [...FROM_SOURCE, ...args], {
    env: { PATH: "/usr/bin:/bin", HOME: directory },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const output of [child.stdout, child.stderr])
    output?.on("data", (chunk: Buffer) => (log += chunk.toString()));
  return child;
}

async function online(links: TestAgents["links"]): Promise<void> {
  for (let tries = 0; tries < 400 && !links.isOnline("field"); tries += 1) await sleep(50);
  if (!links.isOnline("field")) throw new Error(`the agent did not connect: ${log}`);
}

const rpc = (exchange: number, method: string, params: object) => ({
  exchange,
  payload: Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: exchange, method, params })),
  protocolVersion: "2025-11-25",
});
const initialize = rpc(1, "initialize", {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "test", version: "1" },
});

test("the real agent joins, connects, runs a target, and its session survives the control plane", async () => {
  const { token } = await agents.app
    .get(JoinTokensService)
    .create(ADMIN, { group: "field", expiresInSeconds: 600 });
  const joining = run("join", "--control-plane", agents.address, "--token", token, "--state", directory);
  const [code] = (await once(joining, "exit")) as [number];
  expect({ code, log }).toMatchObject({ code: 0 });

  const config = path.join(directory, "agent.yaml");
  const rule = `{ command: ${process.execPath}, arguments: any }`;
  await writeFile(config, `allow:\n  commands:\n    - ${rule}\n`);
  program = run("run", "--state", directory, "--config", config);
  await online(agents.links);

  const sessionId = randomUUID();
  const listener = new FakeListener();
  const definition: TargetDefinition = {
    name: "scriptable",
    transport: {
      $case: "stdio",
      value: {
        command: process.execPath,
        arguments: [SCRIPTABLE_SERVER_PATH],
        workingDirectory: "",
        environment: {},
        limits: undefined,
      },
    },
    exchangeTimeoutMs: 0,
    idleTimeoutMs: 0,
  };
  const link = await agents.links.open({ sessionId, group: "field", definition, era: "legacy", listener });
  await link.send(initialize);
  expect(await listener.hears("message 1")).toContain("protocolVersion");

  const port = Number(agents.address.split(":")[1]);
  await agents.stop();
  const again = await startTestAgents(platform, DEFAULT_TIMINGS, {
    agentListen: { host: "127.0.0.1", port },
  });
  try {
    const heard = new FakeListener();
    const resumed = await again.links.open({
      sessionId,
      group: "field",
      agentId: link.agentId,
      definition,
      era: "legacy",
      listener: heard,
    });
    await resumed.send(rpc(2, "tools/list", {}));
    expect(await heard.hears("message 2", 15_000)).toContain("tools");
    resumed.close("done");
    await expect(
      again.links.open({
        sessionId,
        group: "field",
        agentId: link.agentId,
        definition,
        era: "legacy",
        listener: heard,
      }),
    ).rejects.toThrow("is gone");
  } finally {
    program.kill();
    await once(program, "exit");
    await again.stop();
  }
}, 60_000);
