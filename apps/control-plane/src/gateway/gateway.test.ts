import { request } from "node:http";
import { ExchangeFailure } from "@drawbridge/protocol";
import { cancelled, initialized, toolCall, toolsList } from "@drawbridge/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { answerPolitely } from "./fakes/fake-agent-links.js";
import { GatewayUnderTest, initializeRequest } from "./fakes/gateway-under-test.js";
import { ENGINEERS_READ } from "./fakes/policies.js";

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
  await gateway.applyTarget("vault");
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.reset());

const call = (id: number | string, name: string, args: object = {}) =>
  toolCall(id, name, args as Record<string, unknown>);

/** The kinds and decisions of the newest recording. */
async function newestEvents() {
  const rows = await gateway.query<{ method: string | null; decision: string | null; kind: number }>(
    `select kind, method, decision from recording_event where recording_id = (select id from session order by opened_at desc limit 1) order by index`,
  );
  return rows;
}

describe("a governed call", () => {
  test("reaches the target byte for byte and comes back byte for byte", async () => {
    const session = await gateway.openSession("shop");
    const body = `{"jsonrpc":"2.0", "id":"a\\u0062","method":"tools/call","params":{"name":"read","arguments":{"n":1234567890123456789,"f":1.0}},"extra":[ ]}`;
    const answer = await gateway.post("shop", body, { session });
    expect(gateway.links.sent.at(-1)?.text).toBe(body);
    expect(answer.status).toBe(200);
    expect(answer.text).toContain(`"n":1.0`);
  });

  test("is recorded before it is sent and before it is answered", async () => {
    const session = await gateway.openSession("shop");
    await gateway.post("shop", call(2, "read"), { session });
    const events = await newestEvents();
    expect(events.filter(({ method }) => method === "tools/call").map(({ decision }) => decision)).toEqual([
      "allow",
      null,
    ]);
  });

  test("that no rule allows looks like a tool that does not exist, and is not sent", async () => {
    const session = await gateway.openSession("shop");
    const denied = await gateway.post("shop", call(2, "destroy"), { session });
    expect(denied.status).toBe(200);
    expect(denied.json.error).toEqual({ code: -32602, message: "Unknown tool: destroy" });
    const missing = await gateway.post("shop", call(3, "no-such-tool"), { session });
    expect(missing.json.error).toEqual({ code: -32602, message: "Unknown tool: no-such-tool" });
    expect(gateway.links.reached("destroy")).toEqual([]);
    expect((await newestEvents()).some(({ decision }) => decision === "deny")).toBe(true);
  });

  test("lists only what could be called, and leaves the rest of the list as it was", async () => {
    const session = await gateway.openSession("shop");
    const { text } = await gateway.post("shop", toolsList(2), { session });
    expect(text).toContain(
      `{"tools":[{"name":"read","inputSchema":{"type":"object"},"big":1234567890123456789}]}`,
    );
  });

  test("streams what comes before the answer", async () => {
    const session = await gateway.openSession("shop");
    gateway.links.script = ({ id, method }) => [
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}`,
      ...answerPolitely({ id, ...(method === undefined ? {} : { method }) }),
    ];
    const { headers, text } = await gateway.post("shop", call(2, "read"), { session });
    expect(headers.get("content-type")).toBe("text/event-stream");
    expect(text.indexOf("notifications/progress")).toBeLessThan(text.indexOf(`"result"`));
  });

  test("takes notifications with 202 and passes them on", async () => {
    const session = await gateway.openSession("shop");
    expect((await gateway.post("shop", initialized(), { session })).status).toBe(202);
    expect(gateway.links.reached("notifications/initialized")).not.toEqual([]);
  });
});

describe("who may come in", () => {
  test("a target that no policy shows looks like one that does not exist", async () => {
    const invisible = await gateway.post("vault", initializeRequest());
    const missing = await gateway.post("nothing", initializeRequest());
    expect([invisible.status, missing.status]).toEqual([404, 404]);
    expect(invisible.text).toBe(missing.text);
    expect((await gateway.post("shop", initializeRequest(), { as: "bob" })).status).toBe(404);
  });

  test.each([
    ["no token", {}, /a bearer token is needed/],
    ["rubbish", { authorization: "Bearer abc" }, /not valid here/],
    ["another scheme", { authorization: "Basic YTpi" }, /no bearer token/],
  ])("%s gets 401 and is told where to sign in", async (_name, headers, message) => {
    const response = await fetch(`${gateway.config.publicUrl}/mcp/shop`, {
      method: "POST",
      headers: {
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        ...headers,
      },
      body: "{}",
    });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toContain(
      `resource_metadata="${gateway.config.publicUrl}/.well-known/oauth-protected-resource/mcp"`,
    );
    expect(await response.text()).toMatch(message);
  });

  test("expired tokens, foreign ones, API tokens and tokens for both doors are refused", async () => {
    const token = (claims: Record<string, unknown>) =>
      gateway.identity.issueToken({ username: "alice", resource: "mcp", claims });
    const tokens = [
      await gateway.identity.issueToken({ username: "alice", resource: "api" }),
      await gateway.identity.issueToken({ username: "alice", resource: "mcp", lifetimeSeconds: -60 }),
      await token({ iss: "https://elsewhere.example.test" }),
      await token({ aud: [gateway.config.oidc.mcpAudience, gateway.config.oidc.apiAudience] }),
    ];
    for (const bearer of tokens) {
      const { status } = await gateway.post("shop", initializeRequest(), {
        headers: { authorization: `Bearer ${bearer}` },
      });
      expect(status).toBe(401);
    }
    const api = await fetch(`${gateway.config.publicUrl}/api/v1/whoami`, {
      headers: { authorization: `Bearer ${await gateway.mcpToken("admin")}` },
    });
    expect(api.status).toBe(401);
    expect(await api.json()).toMatchObject({ code: "token_wrong_audience" });
  });

  test("the metadata of RFC 9728 is readable without a token", async () => {
    const response = await fetch(`${gateway.config.publicUrl}/.well-known/oauth-protected-resource/mcp/shop`);
    expect(await response.json()).toMatchObject({
      resource: gateway.config.oidc.mcpAudience,
      authorization_servers: [gateway.identity.issuer],
    });
  });

  test("foreign origins and hosts are turned away", async () => {
    expect(
      (await gateway.post("shop", initializeRequest(), { headers: { origin: "https://evil.example.test" } }))
        .status,
    ).toBe(403);
    const rebound = await new Promise<number | undefined>((resolve) => {
      const { host, port } = gateway.config.listen;
      request(
        { host, port, path: "/mcp/shop", method: "POST", headers: { host: "evil.example.test" } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      ).end();
    });
    expect(rebound).toBe(403);
  });
});

describe("sessions", () => {
  test("somebody else's, an unknown and a closed one are all the same 404", async () => {
    await gateway.applyPolicy(ENGINEERS_READ.replace("[engineering]", "[engineering, dba]"));
    const session = await gateway.openSession("shop");
    const foreign = await gateway.post("shop", toolsList(2), { session, as: "bob" });
    const unknown = await gateway.post("shop", toolsList(2), { session: "x".repeat(43) });
    const closing = await fetch(`${gateway.config.publicUrl}/mcp/shop`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${await gateway.mcpToken("alice")}`, "mcp-session-id": session },
    });
    const closed = await gateway.post("shop", toolsList(2), { session });
    expect([foreign.status, unknown.status, closing.status, closed.status]).toEqual([404, 404, 200, 404]);
    expect(foreign.text).toBe(unknown.text);
    expect(gateway.links.closed).toContain(gateway.links.opened.at(-1)?.sessionId);
  });

  test("a request without one is told to initialize", async () => {
    expect((await gateway.post("shop", toolsList(2))).status).toBe(400);
  });

  test("another revision than the negotiated one is refused", async () => {
    const session = await gateway.openSession("shop");
    const answer = await gateway.post("shop", toolsList(2), {
      session,
      headers: { "mcp-protocol-version": "2025-06-18" },
    });
    expect(answer.status).toBe(400);
  });

  test("survive a restart of the control plane", async () => {
    const session = await gateway.openSession("shop");
    await gateway.stopControlPlane();
    await gateway.startControlPlane();
    const answer = await gateway.post("shop", call(7, "read"), { session });
    expect(answer.json.id).toBe(7);
    expect(gateway.links.opened.at(-1)?.agentId).toBeDefined();
    const numbers = await gateway.query<{ exchange: string }>(
      "select exchange from recording_event where recording_id = $1 and kind = (select min(kind) from recording_event where method = 'tools/call') order by index",
      [gateway.links.opened.at(-1)?.sessionId],
    );
    expect(new Set(numbers.map(({ exchange }) => exchange)).size).toBe(numbers.length);
  });

  test("whose target is gone after a restart are a 404, and what was asked of them was not sent", async () => {
    const session = await gateway.openSession("shop");
    await gateway.stopControlPlane();
    await gateway.startControlPlane();
    gateway.links.online = false;
    const answer = await gateway.post("shop", call(8, "read"), { session });
    expect([answer.status, answer.json.error?.code]).toEqual([404, -32001]);
    const [newest] = await gateway.query<{ id: string }>(
      "select id from session order by opened_at desc limit 1",
    );
    const { body } = await gateway.api("GET", `recordings/${newest?.id}/events`);
    const kinds = (body["items"] as { kind: string }[]).map(({ kind }) => kind);
    expect(kinds.slice(-3)).toEqual(["request", "not_sent", "session_closed"]);
  });

  test("that could not be opened leave nothing open", async () => {
    gateway.links.online = false;
    const answer = await gateway.post("shop", initializeRequest());
    expect(answer.status).toBe(503);
    expect(answer.json.error?.message).toMatch(/no agent of the group is connected; nothing ran/);
    expect(answer.headers.get("mcp-session-id")).toBeNull();
    const [newest] = await gateway.query<{ closed_at: Date | null }>(
      "select closed_at from session order by opened_at desc limit 1",
    );
    expect(newest?.closed_at).not.toBeNull();
  });

  test("whose client leaves before it hears of them are closed", async () => {
    gateway.links.script = () => [];
    const opened = gateway.links.opened.length;
    const leaving = new AbortController();
    const answer = fetch(`${gateway.config.publicUrl}/mcp/shop`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${await gateway.mcpToken("alice")}`,
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
      },
      body: JSON.stringify(initializeRequest()),
      signal: leaving.signal,
    });
    await expect.poll(() => gateway.links.opened.length).toBe(opened + 1);
    await expect.poll(() => gateway.links.sent.at(-1)?.text).toContain("initialize");
    leaving.abort();
    await expect(answer).rejects.toThrow(/abort/i);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const link = gateway.links.opened.at(-1);
    const [text = ""] = answerPolitely({ method: "initialize", id: 1 });
    const { exchange } = gateway.links.sent.at(-1) ?? { exchange: 0 };
    await link?.listener.onMessage({ exchange, payload: Buffer.from(text), masked: {}, final: true });
    const [newest] = await gateway.query<{ close_reason: string | null }>(
      "select close_reason from session order by opened_at desc limit 1",
    );
    expect(newest?.close_reason).toBe("the client left before it was told its session");
  });

  test("whose target refuses initialize are not opened", async () => {
    gateway.links.script = ({ id }) => [
      `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":{"code":-32602,"message":"no"}}`,
    ];
    const answer = await gateway.post("shop", initializeRequest());
    expect(answer.json.error?.message).toBe("no");
    expect(answer.headers.get("mcp-session-id")).toBeNull();
  });
});

describe("bad input", () => {
  const cases: [string, string, number, number][] = [
    ["broken JSON", "{", 400, -32700],
    [
      "duplicate keys",
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","name":"destroy"}}`,
      400,
      -32600,
    ],
    [
      "a case variant of a protocol key",
      `{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call"}`,
      400,
      -32600,
    ],
    [
      "a NUL in a name",
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read\\u0000"}}`,
      400,
      -32600,
    ],
    ["a batch", `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, 400, -32600],
    ["an unknown method", `{"jsonrpc":"2.0","id":1,"method":"shop/steal"}`, 200, -32601],
    [
      "a method of the target's side",
      `{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}`,
      200,
      -32601,
    ],
    ["a call without a name", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`, 200, -32602],
    ["an answer nobody asked for", `{"jsonrpc":"2.0","id":99,"result":{}}`, 400, -32600],
    [
      "a modern request without all of its envelope",
      `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`,
      400,
      -32602,
    ],
  ];
  test.each(cases)("%s", async (_name, body, status, code) => {
    const session = await gateway.openSession("shop");
    const sentBefore = gateway.links.sent.length;
    const answer = await gateway.post("shop", body, { session });
    expect([answer.status, answer.json.error?.code]).toEqual([status, code]);
    expect(gateway.links.sent.length).toBe(sentBefore);
  });

  test("oversized bodies, foreign content types, foreign methods", async () => {
    const session = await gateway.openSession("shop");
    expect((await gateway.post("shop", call(1, "read", { x: "y".repeat(70_000) }), { session })).status).toBe(
      413,
    );
    expect(
      (await gateway.post("shop", toolsList(1), { session, headers: { "content-type": "text/plain" } }))
        .status,
    ).toBe(415);
    expect(
      (await gateway.post("shop", toolsList(1), { session, headers: { accept: "application/json" } })).status,
    ).toBe(406);
    const put = await fetch(`${gateway.config.publicUrl}/mcp/shop`, {
      method: "PUT",
      headers: { authorization: `Bearer ${await gateway.mcpToken("alice")}` },
    });
    expect(put.status).toBe(405);
    expect((await gateway.post("shop", toolsList(1), { session })).status).toBe(200);
  });

  test("an id that is in use is refused until it is answered", async () => {
    const session = await gateway.openSession("shop");
    gateway.links.script = () => [];
    const waiting = gateway.post("shop", call(5, "read"), { session });
    await expect
      .poll(() => gateway.links.reached("tools/call").some((text) => text.includes(`"id":5`)))
      .toBe(true);
    expect((await gateway.post("shop", call(5, "read"), { session })).status).toBe(400);
    await gateway.links.opened.at(-1)?.listener.onEnded("test over");
    await waiting;
  });
});

describe("what changes meanwhile", () => {
  test("a policy taken away by hand, with no message to anybody, stops the very next call", async () => {
    const session = await gateway.openSession("shop");
    await gateway.query("delete from policy");
    const answer = await gateway.post("shop", call(2, "read"), { session });
    expect(answer.json.error).toBeDefined();
    expect(gateway.links.reached("tools/call").filter((text) => text.includes(`"id":2,`))).toEqual([]);
  });

  test("the answer to a call whose access ended while it ran is withheld", async () => {
    const session = await gateway.openSession("shop");
    gateway.links.script = () => [];
    const waiting = gateway.post("shop", call("late", "read"), { session });
    await expect.poll(() => gateway.links.sent.at(-1)?.text.includes("late")).toBe(true);
    await gateway.query("delete from policy");
    const { exchange } = gateway.links.sent.at(-1) ?? { exchange: 0 };
    const payload = Buffer.from(`{"jsonrpc":"2.0","id":"late","result":{"content":"the crown jewels"}}`);
    await gateway.links.opened.at(-1)?.listener.onMessage({ exchange, payload, masked: {}, final: true });
    const answer = await waiting;
    expect(answer.json.error?.code).toBe(-31003);
    expect(answer.text).not.toContain("jewels");
  });

  test("a session that an operator ends is over at once", async () => {
    const session = await gateway.openSession("shop");
    const { body } = await gateway.api("GET", "sessions?limit=1");
    const id = (body["items"] as { id: string }[])[0]?.id;
    expect((await gateway.api("DELETE", `sessions/${id}`)).status).toBe(204);
    expect((await gateway.post("shop", toolsList(2), { session })).status).toBe(404);
  });

  test("a target that dies in the middle of a call leaves an unknown outcome, told and recorded", async () => {
    const session = await gateway.openSession("shop");
    gateway.links.script = () => [];
    const waiting = gateway.post("shop", call(2, "read"), { session });
    await expect.poll(() => gateway.links.sent.at(-1)?.text.includes("tools/call")).toBe(true);
    await gateway.links.opened.at(-1)?.listener.onEnded("the agent is gone");
    const answer = await waiting;
    expect(answer.json.error?.code).toBe(-31006);
    expect(answer.json.error?.message).toMatch(/not known, and it is not repeated/);
    expect((await gateway.post("shop", toolsList(3), { session })).status).toBe(404);
    expect(gateway.links.reached("tools/call").filter((text) => text.includes(`"id":2,`)).length).toBe(1);
  });
});

describe("what the target asks of the client", () => {
  test("is denied unless a rule allows it, and the client never hears of it", async () => {
    const session = await gateway.openSession("shop");
    gateway.links.script = (message) =>
      message.method === "tools/call"
        ? [
            `{"jsonrpc":"2.0","id":77,"method":"sampling/createMessage","params":{"messages":[]}}`,
            ...answerPolitely(message),
          ]
        : answerPolitely(message);
    const answer = await gateway.post("shop", call(2, "read"), { session });
    expect(answer.text).not.toContain("sampling");
    expect(gateway.links.sent.some(({ text }) => text.includes(`"id":77,"error"`))).toBe(true);
  });
});

describe("a request that the client cancels", () => {
  test("is taken back at the agent, and is over when the agent says so", async () => {
    const session = await gateway.openSession("shop");
    gateway.links.script = () => [];
    const waiting = gateway.post("shop", call("slow", "read"), { session });
    await expect.poll(() => gateway.links.sent.at(-1)?.text.includes("slow")).toBe(true);
    const { exchange } = gateway.links.sent.at(-1) ?? { exchange: 0 };
    const cancelling = await gateway.post("shop", cancelled("slow"), { session });
    expect(cancelling.status).toBe(202);
    expect(gateway.links.cancelled.at(-1)).toBe(exchange);
    expect((await waiting).text).toBe("");
    expect((await gateway.post("shop", call("slow", "read"), { session })).status).toBe(400);
    const failure = {
      exchange,
      failure: ExchangeFailure.OUTCOME_UNKNOWN,
      message: "cancelled",
      supportedVersions: [],
    };
    await gateway.links.opened.at(-1)?.listener.onExchangeFailed(failure);
    gateway.links.script = answerPolitely;
    expect((await gateway.post("shop", call("slow", "read"), { session })).status).toBe(200);
  });

  test("while its agent is still being asked for the session never runs", async () => {
    const session = await gateway.openSession("shop");
    await gateway.stopControlPlane();
    await gateway.startControlPlane();
    const { promise, resolve } = Promise.withResolvers<void>();
    gateway.links.opening = promise;
    const openedBefore = gateway.links.opened.length;
    const waiting = gateway.post("shop", call("early", "read"), { session });
    await expect.poll(() => gateway.links.opened.length).toBe(openedBefore + 1);
    const cancelling = gateway.post("shop", cancelled("early"), { session });
    expect((await cancelling).status).toBe(202);
    resolve();
    gateway.links.opening = Promise.resolve();
    expect((await waiting).text).toBe("");
    expect((await gateway.post("shop", call("next", "read"), { session })).status).toBe(200);
    expect(gateway.links.reached("tools/call").filter((text) => text.includes("early"))).toEqual([]);
  });

  test("but is not under way is nobody's business", async () => {
    const session = await gateway.openSession("shop");
    const before = gateway.links.cancelled.length;
    expect((await gateway.post("shop", cancelled("never"), { session })).status).toBe(202);
    expect(gateway.links.cancelled.length).toBe(before);
  });
});

test.each([
  ["answers another request", `{"jsonrpc":"2.0","id":"other","result":{}}`],
  ["is no response", `{"jsonrpc":"2.0","method":"notifications/message","params":{}}`],
])("a last frame that %s ends the exchange with an error", async (_what, payload) => {
  const session = await gateway.openSession("shop");
  gateway.links.script = ({ method }) => (method === "tools/call" ? [payload] : []);
  const answer = await gateway.post("shop", call(2, "read"), { session });
  expect(answer.json.error?.code).toBe(-31010);
});

test("of eight sessions opened at once, no more are opened than the limit allows", async () => {
  await gateway.applyPolicy(ENGINEERS_READ.replace("[engineering]", "[dba]").replace("engineers", "crowd"));
  await gateway.query(`insert into session (id, id_hash, principal, oauth_client, target_id, target_name)
    select gen_random_uuid(), sha256(n::text::bytea), 'bob', 'x', gen_random_uuid(), 'shop' from generate_series(1, 99) n`);
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => gateway.post("shop", initializeRequest(), { as: "bob" })),
  );
  await gateway.query("update session set closed_at = now() where principal = 'bob'");
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(7);
});

test("the OpenAPI document tells what every route takes and answers, who may use it, and how it fails", async () => {
  interface Operation {
    operationId: string;
    security?: unknown;
    responses: Record<string, { content?: Record<string, { schema: { properties?: object } }> }>;
  }
  const response = await fetch(`${gateway.config.publicUrl}/api/docs-json`);
  const document = (await response.json()) as { paths: Record<string, Record<string, Operation>> };
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
  const schemaOf = ({ responses }: Operation) => responses["200"]?.content?.["application/json"]?.schema;
  const silent = operations.filter(
    ({ responses, ...rest }) => responses["200"] && !schemaOf({ responses, ...rest }),
  );
  expect(silent.map(({ operationId }) => operationId)).toEqual([
    "HealthController_health",
    "PolicyTrialsController_backtest",
    "RecordingsController_payload",
    "RecordingsController_export",
    // Slack wants no answer.
    "SlackInteractionsController_interact",
  ]);
  expect(operations.filter(({ security }) => !security)).toHaveLength(6);
  const apply = document.paths["/api/v1/policies/{name}"]?.["put"];
  expect(apply && schemaOf(apply)?.properties).toHaveProperty("changed");
  expect(operations.every(({ responses }) => responses["default"])).toBe(true);
});
