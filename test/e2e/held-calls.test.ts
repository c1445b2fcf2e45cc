import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { approvals, approve, askBefore, awaitApproval } from "./approvers.js";
import { callUntilDecided, type HeldCall, HOLDING_CLIENTS } from "./holding-clients.js";
import { scriptable, System } from "./system.js";

/** Longer than the minute after which SDK clients give up a call. */
const HELD_MS = 70_000;

let system: System;

beforeAll(async () => {
  system = await System.start({ allow: { commands: scriptable(["dual"]) } });
  await system.applyScriptable("script", ["dual"]);
  await askBefore(system, "script", { tools: ["echo"], freely: ["pid"] });
});
afterAll(() => system?.stop());

const door = () => ({
  url: `${system.publicUrl}/mcp/script`,
  token: async () => (await system.door("script")).token,
});

describe("calls that are held for longer than their clients wait", () => {
  test(
    "complete for every client, at once or when it calls again as it is told",
    { timeout: 180_000 },
    async () => {
      const calls = HOLDING_CLIENTS.map((client, number) =>
        callUntilDecided(client, door(), { tool: "echo", args: { number }, patienceMs: HELD_MS * 2 }),
      );
      await sleep(HELD_MS);
      const waiting = await approvals(system, "script");
      expect(waiting).toHaveLength(HOLDING_CLIENTS.length);
      await Promise.all(waiting.map(({ id }) => approve(system, id)));
      const ended = new Map<string, HeldCall>();
      for (const [number, client] of HOLDING_CLIENTS.entries())
        ended.set(client.says, (await calls[number]) as HeldCall);
      expect([...ended.values()].map(({ isError }) => isError)).toEqual(HOLDING_CLIENTS.map(() => false));
      for (const [number, client] of HOLDING_CLIENTS.entries())
        expect(ended.get(client.says)?.text).toContain(`"number":${number}`);
      // Those who need not call again do not.
      const once = [...ended].filter(([, { calls: count }]) => count === 1).map(([says]) => says);
      expect(once).toEqual(
        HOLDING_CLIENTS.filter(
          ({ generation, name }) => generation === "2.x auto" || name === "claude-code",
        ).map(({ says }) => says),
      );
      const consumed = await approvals(system, "script", "consumed");
      expect(consumed).toHaveLength(HOLDING_CLIENTS.length);
    },
  );

  test("hear of a denial what was said with it", async () => {
    const [client] = HOLDING_CLIENTS;
    const call = callUntilDecided(client!, door(), {
      tool: "echo",
      args: { no: 1 },
      patienceMs: 60_000,
    }).catch((error: unknown) => String(error));
    const { id } = await awaitApproval(system, "script");
    await system.api("bob").demand("POST", `approvals/${id}/deny`, { comment: "use the replica instead" });
    expect(JSON.stringify(await call)).toContain("use the replica instead");
  });
});

describe("a held call is approved by nobody who", () => {
  const now = Math.floor(Date.now() / 1_000);
  const alices = { email: "alice@example.com", email_verified: true };
  test.each<[string, Parameters<System["identity"]["issueToken"]>[0], number, string]>([
    ["holds what an MCP client holds", { username: "bob", resource: "mcp" }, 401, "token_wrong_audience"],
    ["asked for it", { username: "alice", resource: "api", claims: { groups: ["dba"] } }, 403, "own_request"],
    [
      "asked for it with another account",
      { username: "bob", resource: "api", claims: { sub: "alice-admin", ...alices } },
      403,
      "own_request",
    ],
    ["signed in long ago", { username: "bob", resource: "api", authTime: now - 3_600 }, 403, "sign_in_again"],
    [
      "is a program of somebody who might",
      { username: "bob", resource: "api", claims: { act: { sub: "assistant" } } },
      403,
      "machine_cannot_review",
    ],
    ["is an admin and nothing else", { username: "admin", resource: "api" }, 403, "not_a_reviewer"],
  ])("%s", async (_, wish, status, code) => {
    const [client] = HOLDING_CLIENTS;
    const call = callUntilDecided(client!, door(), {
      tool: "echo",
      args: { code },
      patienceMs: 60_000,
    }).catch(() => undefined);
    const { id } = await awaitApproval(system, "script");
    const token = await system.identity.issueToken(wish);
    const refused = await fetch(`${system.publicUrl}/api/v1/approvals/${id}/approve`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: "{}",
    });
    expect(refused.status).toBe(status);
    expect(await refused.json()).toMatchObject({ code });
    expect(await approvals(system, "script")).toMatchObject([{ id, state: "pending" }]);
    await system.api("bob").demand("POST", `approvals/${id}/deny`, { comment: "only a test" });
    await call;
  });
});
