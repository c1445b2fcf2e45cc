import { ExchangeFailure } from "@drawbridge/protocol";
import { eventually, initialize, type JsonRpcObject, ping, request, withMeta } from "@drawbridge/testing";
import { describe, expect, test } from "vitest";
import { cleanUpAfterEach, startBench } from "../fakes/agent-bench.js";
import { allowingScript, stdioTarget, stdioTargetWith } from "../fakes/agent-under-test.js";
import { MODERN_SERVER } from "../fakes/modern-server.js";
import { waitFor } from "../fakes/wait-for.js";

cleanUpAfterEach();

const modernServer = (...args: string[]) => stdioTargetWith({ arguments: ["-e", MODERN_SERVER, ...args] });

/** As clients of 2026-07-28 say who they are with every request. */
function call(id: string | number, name: string, meta: Record<string, unknown> = {}): JsonRpcObject {
  return withMeta(request(id, "tools/call", { name, arguments: { of: id } }), {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    ...meta,
  });
}

function structured(message: JsonRpcObject): Record<string, unknown> {
  return (message.result as { structuredContent: Record<string, unknown> }).structuredContent;
}

describe("a modern session over stdio", () => {
  test("serves clients that use the same ids and tokens, each with its own back", async () => {
    const { openModern } = await startBench(allowingScript(MODERN_SERVER));
    const session = await openModern(modernServer());
    session.send(1, call("same", "wait", { progressToken: "same" }));
    session.send(2, call("same", "progress", { progressToken: "same" }));
    const answer = JSON.parse(await session.response(2)) as JsonRpcObject;
    expect(answer).toMatchObject({ id: "same" });
    expect(structured(answer)).toMatchObject({ arguments: { of: "same" }, cancelled: [] });
    expect(session.messages(2)[0]?.params).toMatchObject({ progressToken: "same", progress: 1 });
    expect(session.messages(1)).toEqual([]);
    expect(session.learnedVersions).toEqual([["2026-07-28"]]);
    session.cancel(1);
    const after = await session.call(3, call("same", "who"));
    expect(structured(after)["cancelled"]).toHaveLength(1);
    expect(structured(after)["pid"]).toBe(structured(answer)["pid"]);
  });

  test("is refused by a target of the other era, which is not even started for it", async () => {
    const { openModern, agent } = await startBench();
    const session = await openModern(stdioTarget());
    session.send(1, call(1, "echo"));
    expect(await session.failure(1)).toMatchObject({
      failure: ExchangeFailure.ERA_NOT_SPOKEN,
      supportedVersions: ["2025-11-25"],
    });
    session.send(2, call(2, "echo"));
    await session.failure(2);
    expect(session.learnedVersions).toHaveLength(1);
    expect(agent.logs.join("")).not.toContain('level":50');
  });

  test("says so when its target is not allowed here", async () => {
    const { openModern } = await startBench();
    const session = await openModern(modernServer());
    session.send(1, call(1, "echo"));
    expect((await session.failure(1)).failure).toBe(ExchangeFailure.NOT_ALLOWED_HERE);
  });
});

describe("a legacy session with a target of the other era", () => {
  test("hears what the target speaks instead of that it failed", async () => {
    const { controlPlane } = await startBench(allowingScript(MODERN_SERVER));
    const session = await controlPlane.openSession(modernServer());
    session.send(1, initialize(1));
    expect(await session.failure(1)).toMatchObject({
      failure: ExchangeFailure.ERA_NOT_SPOKEN,
      supportedVersions: ["2026-07-28"],
    });
    session.send(2, ping(2));
    expect(await session.response(2)).toContain("method not found");
  });

  test("hears it too from a target that leaves over it", async () => {
    const { controlPlane } = await startBench(allowingScript(MODERN_SERVER));
    const session = await controlPlane.openSession(modernServer("leave"));
    session.send(1, initialize(1));
    expect(await session.failure(1)).toMatchObject({
      failure: ExchangeFailure.ERA_NOT_SPOKEN,
      supportedVersions: ["2026-07-28"],
    });
    expect(await session.ended()).toContain("exited with code 4");
    await eventually(() => !session.isAttached);
  });
});

describe("a target whose process fails again and again", () => {
  test("is reported to the control plane, and again after a new connection", async () => {
    const { controlPlane } = await startBench();
    for (let failures = 1; failures <= 3; failures++) {
      const session = await controlPlane.openSession(stdioTarget("--exit-at-once=7"));
      session.send(1, initialize(1));
      await session.failure(1);
    }
    const connection = await controlPlane.connection();
    const health = await waitFor(() => connection.health.at(-1));
    expect(health).toMatchObject({
      target: "scriptable",
      reason: expect.stringContaining("code 7") as string,
    });
    expect(health.failures).toBeGreaterThan(1);
    connection.drop();
    const next = await waitFor(() => controlPlane.connections[1]);
    expect(await waitFor(() => next.health[0])).toMatchObject({ target: "scriptable" });
  });
});
