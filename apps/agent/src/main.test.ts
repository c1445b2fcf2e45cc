import { eventually, initialize, initialized, toolCall } from "@drawbridge/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { cleanUpAfterEach } from "./fakes/agent-bench.js";
import { buildAgent, type Outcome } from "./fakes/agent-process.js";
import { stdioTarget } from "./fakes/agent-under-test.js";
import type { FakeSession } from "./fakes/fake-control-plane.js";
import { residentMb, startJoined, startProcess, surroundings } from "./fakes/process-bench.js";
import { isAlive } from "./fakes/process-state.js";

const IDLE_LIMIT_MB = 90;

cleanUpAfterEach();
beforeAll(buildAgent, 120_000);

function finish(...args: string[]): Promise<Outcome> {
  return startProcess(...args).finish();
}

async function pidOf(session: FakeSession, exchange: number, tool: string): Promise<number> {
  const { result } = await session.call(exchange, toolCall(exchange, tool));
  return (result as { structuredContent: { pid: number } }).structuredContent.pid;
}

describe("drawbridge-agent", () => {
  test("joins, says who it is, and refuses to join twice unless forced", async () => {
    const { controlPlane, state } = await surroundings();
    const join = ["join", "--control-plane", controlPlane.addressText, "--state", state];
    const joined = await finish(...join, "--token", controlPlane.invite());
    expect(joined).toEqual({ code: 0, stdout: "joined as edge (agent-1) of group lab\n", stderr: "" });

    const status = await finish("status", "--state", state, "--json");
    expect(JSON.parse(status.stdout)).toMatchObject({
      joined: true,
      agentId: "agent-1",
      controlPlane: [controlPlane.addressText],
      certificate: { expired: false },
    });

    const again = await finish(...join, "--token", controlPlane.invite());
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining("add --force") as string });
    expect((await finish(...join, "--force", "--token", controlPlane.invite())).code).toBe(0);
  });

  test("status ends with 3 where it has not joined, so that a health check reads nothing", async () => {
    const { controlPlane, state } = await surroundings();
    const before = await finish("status", "--state", state);
    expect(before).toMatchObject({ code: 3, stdout: expect.stringContaining("not joined") as string });
    expect((await finish("status", "--state", state, "--json")).code).toBe(0);
    const join = ["join", "--control-plane", controlPlane.addressText, "--state", state];
    await finish(...join, "--token", controlPlane.invite());
    expect((await finish("status", "--state", state)).code).toBe(0);
    expect((await finish("status", "--help")).stdout).toContain("Exits with 3");
  });

  test("explains itself", async () => {
    expect((await finish("--help")).stdout).toContain("join");
    expect((await finish("run", "--help")).stdout).toContain("--config");
    expect(JSON.parse((await finish("status", "--state", "/nonexistent", "--json")).stdout)).toEqual({
      joined: false,
    });
  });

  test.each([
    ["an unknown option", ["run", "--state", "/nonexistent", "--frobnicate"], "unknown option"],
    ["no state directory", ["run"], "--state"],
    ["no token", ["join", "--state", "/nonexistent", "--control-plane", "localhost:1"], "a token is needed"],
    [
      "half a token",
      ["join", "--state", "/nonexistent", "--control-plane", "localhost:1", "--token", "x"],
      "not a join token",
    ],
    [
      "a missing configuration",
      ["run", "--state", "/nonexistent", "--config", "/nonexistent.yaml"],
      "cannot read",
    ],
  ])("exits with 2 for %s", async (_name, args, message) => {
    const outcome = await finish(...args);
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining(message) as string });
  });

  test("exits with 1 where it never joined", async () => {
    expect(await finish("run", "--state", "/nonexistent")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("drawbridge-agent join") as string,
    });
  });

  test("serves, and leaves within seconds when asked to, children first", async () => {
    const { agent, controlPlane } = await startJoined();
    const session = await controlPlane.openSession(stdioTarget());
    await session.call(1, initialize(1));
    session.send(0, initialized());
    const child = await pidOf(session, 2, "pid");
    const asked = performance.now();
    agent.kill("SIGTERM");
    expect(await agent.exited).toBe(0);
    expect(performance.now() - asked).toBeLessThan(5_000);
    expect(isAlive(child)).toBe(false);
    expect(agent.stderr).not.toMatch(/drawbridge-join|PRIVATE KEY/);
  });

  test("leaves no child behind when it is killed outright", async () => {
    const { agent, controlPlane } = await startJoined();
    const session = await controlPlane.openSession(stdioTarget());
    await session.call(1, initialize(1));
    session.send(0, initialized());
    const child = await pidOf(session, 2, "pid");
    const grandchild = await pidOf(session, 3, "spawnChild");
    agent.kill("SIGKILL");
    await agent.exited;
    await eventually(() => !isAlive(child) && !isAlive(grandchild), { timeoutMs: 3_000 });
    expect(agent.child.signalCode).toBe("SIGKILL");
  });

  test(`idles below ${IDLE_LIMIT_MB} MB`, async () => {
    const { agent } = await startJoined();
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const rssMb = residentMb(agent);
    console.log(`idle agent: ${rssMb.toFixed(1)} MB RSS`);
    expect(rssMb).toBeLessThan(IDLE_LIMIT_MB);
  });
});
