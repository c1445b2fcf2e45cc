import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "../errors.js";
import { approvalOf, requestOf } from "../fakes/access-views.js";
import { type FakeControlPlane, problem } from "../fakes/fake-control-plane.js";
import { signedIn } from "../fakes/signed-in.js";
import type { TestShell } from "../fakes/test-shell.js";

const ID = "0198c1f0-0000-7000-8000-000000000001";
const AT = "2026-11-22T22:31:04.120Z";
const TARGET = {
  id: ID,
  name: "shop",
  labels: { env: "demo" },
  agentGroup: "demo",
  transport: "stdio",
  address: "dbhub",
  online: true,
  revision: 1,
  updatedAt: AT,
};
const SESSION = {
  id: ID,
  principal: "alice",
  email: "alice@example.com",
  oauthClient: "drawbridge-cli",
  clientName: "evil \u001b[31m client",
  target: "shop",
  era: "legacy",
  agentId: ID,
  protocolVersion: "2025-11-25",
  openedAt: AT,
  lastActivityAt: AT,
  closedAt: null,
  closeReason: null,
};
const RECORDING = { ...SESSION, events: 2, calls: 1, endedAt: null };

let controlPlane: FakeControlPlane;
let shell: TestShell;

let stop: () => Promise<void>;
beforeEach(async () => {
  ({ controlPlane, shell, stop } = await signedIn());
});
afterEach(() => stop());

async function file(name: string, content: string): Promise<string> {
  const full = path.join(shell.directory, name);
  await writeFile(full, content);
  return full;
}

const targetYaml = (name: string): string =>
  `apiVersion: drawbridge/v1\nkind: Target\nmetadata: {name: ${name}}\nspec: {agentGroup: demo, transport: {stdio: {command: x}}}\n`;

describe("every request", () => {
  it("carries the API token to the API and the MCP token to the target, and no other", async () => {
    controlPlane.route("GET /agents", () => ({ body: { items: [] } }));
    await shell.run(["agents"]);
    await shell.run(["tools", "shop"]);
    const [api, ...mcp] = controlPlane.requests;
    expect(api?.headers.authorization).toBe("Bearer api-secret");
    expect(mcp.length).toBeGreaterThan(2);
    expect(new Set(mcp.map(({ headers }) => headers.authorization))).toEqual(new Set(["Bearer mcp-secret"]));
  });

  it.each([
    ["token_expired", EXIT.notSignedIn, "error: why; sign in again: drawbridge login\n"],
    ["not_permitted", EXIT.notPermitted, "error: why\n"],
    ["database_unavailable", EXIT.failure, "error: why\n"],
  ] as const)("ends with its own exit code for the problem %s", async (code, exitCode, stderr) => {
    controlPlane.route("GET /agents", () => problem(code, "why"));
    expect(await shell.run(["agents"])).toEqual({ code: exitCode, stdout: "", stderr });
  });

  it("says what to do when nothing answers", async () => {
    await controlPlane.stop();
    const { code, stderr } = await shell.run(["agents"]);
    expect({ code, stderr }).toEqual({
      code: EXIT.failure,
      stderr: `error: cannot reach ${controlPlane.url}; is it running? (npm start)\n`,
    });
  });

  it("takes no answer that breaks the contract", async () => {
    controlPlane.route("GET /agents", () => ({ body: { items: [{ id: "x" }] } }));
    const { code, stderr } = await shell.run(["agents"]);
    expect(code).toBe(EXIT.failure);
    expect(stderr).toMatch(/does not understand\n {2}items\.0\.id: /);
  });

  it("takes no page of a proxy for a control plane and follows no redirect with its token", async () => {
    controlPlane.route("GET /agents", () => ({ status: 502, body: "<html>" }));
    expect((await shell.run(["agents"])).stderr).toMatch(/HTTP status 502; is it a Drawbridge control plane/);
    controlPlane.route("GET /agents", () => ({ status: 302, headers: { location: "http://127.0.0.1:1/" } }));
    expect((await shell.run(["agents"])).stderr).toMatch(/redirects to http:\/\/127\.0\.0\.1:1\//);
  });

  it("walks the pages up to the limit", async () => {
    controlPlane.route("GET /sessions", ({ path: requested }) => {
      const cursor = new URL(requested, "http://x").searchParams.get("cursor");
      return { body: { items: [SESSION, SESSION], nextCursor: `${cursor ?? ""}n` } };
    });
    const { stdout } = await shell.run(["sessions", "--limit", "5", "--json"]);
    expect((JSON.parse(stdout) as { items: unknown[] }).items).toHaveLength(5);
    expect(controlPlane.seen("GET /sessions").map(({ path: requested }) => requested)).toEqual([
      "/sessions?limit=5",
      "/sessions?limit=3&cursor=n",
      "/sessions?limit=1&cursor=nn",
    ]);
  });

  it("goes round in circles with nobody", async () => {
    controlPlane.route("GET /targets", () => ({ body: { items: [TARGET], nextCursor: "again" } }));
    const { stdout } = await shell.run(["targets", "--json"]);
    expect((JSON.parse(stdout) as { items: unknown[] }).items).toHaveLength(2);
  });

  it("shows hostile text escaped, in tables and in JSON", async () => {
    controlPlane.route("GET /sessions", () => ({ body: { items: [{ ...SESSION, target: "a\u009bb" }] } }));
    expect((await shell.run(["sessions"])).stdout).toContain(String.raw`evil \x1b[31m client`);
    const { stdout } = await shell.run(["sessions", "--json"]);
    expect(stdout).not.toContain("\u001b");
    expect(stdout).not.toContain("\u009b");
    expect(JSON.parse(stdout)).toMatchObject({
      items: [{ target: "a\u009bb", clientName: SESSION.clientName }],
    });
  });
});

describe("usage", () => {
  it.each([
    ["an unknown command", ["bogus"]],
    ["a missing argument", ["targets", "show"]],
    ["one argument too many", ["agents", "show", "a", "b"]],
    ["an unknown option", ["agents", "--bogus"]],
    ["a limit that is no number", ["audit", "--limit", "many"]],
    ["an address without https", ["agents", "--url", "http://example.com"]],
    ["an invitation that lasts too long", ["agents", "invite", "--group", "x", "--expires", "2d"]],
    ["arguments that are no object", ["call", "shop", "x", "[]"]],
    ["arguments that are no JSON", ["call", "shop", "x", "{'a':1}"]],
    ["a number that would be rounded", ["call", "shop", "x", '{"id":9007199254740993}']],
  ])("exits with 2 for %s", async (_what, argv) => {
    const { code, stdout, stderr } = await shell.run(argv);
    expect({ code, stdout }).toEqual({ code: EXIT.usage, stdout: "" });
    expect(stderr).toMatch(/^error: /);
    expect(controlPlane.requests).toEqual([]);
  });

  it("explains every command with an example", async () => {
    const pending: string[][] = [[]];
    const explanations: string[] = [];
    for (let command = pending.pop(); command !== undefined; command = pending.pop()) {
      const parent = command;
      const { stdout } = await shell.run([...parent, "--help"]);
      const children = namesOfCommands(stdout);
      if (children.length === 0) explanations.push(stdout);
      pending.push(...children.map((name) => [...parent, name]));
    }
    expect(explanations.length).toBeGreaterThan(25);
    for (const explanation of explanations) {
      expect(explanation).toMatch(/--json[^]*Examples?:\n {2}/);
    }
  });
});

function idOfCall({ requests }: FakeControlPlane): number | undefined {
  const bodies = requests.map(({ body }) => body as { id?: number; method?: string } | undefined);
  return bodies.find((body) => body?.method === "tools/call")?.id;
}

function namesOfCommands(help: string): string[] {
  const list = /Commands:\n((?: .*\n)*)/.exec(help)?.[1] ?? "";
  return [...list.matchAll(/^ {2}([a-z]+)/gm)].flatMap(([, name = ""]) => (name === "help" ? [] : [name]));
}

describe("targets", () => {
  it("lists all of them for an operator", async () => {
    controlPlane.route("GET /targets", () => ({ body: { items: [TARGET] } }));
    const { stdout } = await shell.run(["targets"]);
    expect(stdout).toBe(
      `NAME  ONLINE  FAILING  GROUP  TRANSPORT  MCP  URL${" ".repeat(controlPlane.url.length + 8)}DESCRIPTION\n` +
        `shop  yes     no       demo   stdio      -    ${controlPlane.url}/mcp/shop  -\n`,
    );
  });

  const FOUND_OUT = {
    transport: "sse",
    protocolVersions: {
      versions: ["2025-11-25", "2026-07-28", "2025-06-18"],
      learnedAt: "2026-11-22T09:00:00.000Z",
    },
    failing: { failures: 3, reason: "exited with 1", retryAt: "2026-11-22T09:01:00.000Z" },
  };

  it("shows what MCP a target speaks, and that it keeps failing", async () => {
    controlPlane.route("GET /targets", () => ({ body: { items: [{ ...TARGET, ...FOUND_OUT }] } }));
    controlPlane.route("GET /targets/shop", () => ({ body: { ...TARGET, ...FOUND_OUT } }));
    expect((await shell.run(["targets"])).stdout).toMatch(
      /\nshop {2}yes {5}3 times {2}demo {3}sse {8}2026-07-28 {2}http/,
    );
    const { stdout } = await shell.run(["targets", "show", "shop"]);
    expect(stdout).toMatch(/mcp revisions {2}2025-11-25, 2026-07-28, 2025-06-18 \(found out 2026-11-22/);
    expect(stdout).toMatch(/failing {8}3 times: exited with 1 \(started again after 2026-11-22/);
    expect(JSON.parse((await shell.run(["targets", "--json"])).stdout)).toMatchObject({ items: [FOUND_OUT] });
    expect(JSON.parse((await shell.run(["targets", "show", "shop", "--json"])).stdout)).toMatchObject(
      FOUND_OUT,
    );
  });

  it("lists the usable ones for everybody else", async () => {
    const url = `${controlPlane.url}/mcp/shop`;
    controlPlane.route("GET /targets", () => problem("not_permitted", "no"));
    controlPlane.route("GET /visible-targets", () => ({
      body: { items: [{ name: "shop", labels: {}, url, online: false }] },
    }));
    expect((await shell.run(["targets"])).stdout).toMatch(/^NAME .*\nshop {2}no {6}http:/);
    expect(JSON.parse((await shell.run(["targets", "--json"])).stdout)).toMatchObject({
      items: [{ name: "shop", url }],
    });
  });

  it("says which were created, changed and left alone", async () => {
    const revisions = new Map([
      ["changed", 3],
      ["same", 7],
    ]);
    for (const name of ["created", "changed", "same"]) {
      const view = (): unknown => ({ ...TARGET, name, revision: revisions.get(name) });
      controlPlane.route(`GET /targets/${name}`, () =>
        revisions.has(name) ? { body: view() } : problem("target_not_found", "no such target"),
      );
      controlPlane.route(`PUT /targets/${name}`, () => {
        if (name !== "same") revisions.set(name, (revisions.get(name) ?? 0) + 1);
        return { body: view() };
      });
    }
    const stdin = ["created", "changed", "same"].map(targetYaml).join("---\n");
    const { code, stdout } = await shell.run(["targets", "apply", "-f", "-"], { stdin });
    expect({ code, stdout }).toEqual({
      code: EXIT.ok,
      stdout:
        "target created created (revision 1)\ntarget changed changed (revision 4)\ntarget same unchanged (revision 7)\n",
    });
    expect(controlPlane.seen("PUT ")[0]?.body).toMatchObject({
      kind: "Target",
      metadata: { name: "created" },
    });
  });

  it("applies nothing when one document is wrong", async () => {
    const good = await file("good.yaml", targetYaml("good"));
    const bad = await file("bad.yaml", targetYaml("bad").replace("kind: Target", "kind: Policy"));
    const { code, stderr } = await shell.run(["targets", "apply", "-f", good, "-f", bad]);
    expect(code).toBe(EXIT.failure);
    expect(stderr).toMatch(/bad\.yaml does not describe targets\n {2}line 2: kind: /);
    expect(controlPlane.requests).toEqual([]);
  });

  it("refuses two documents for one target and a file that is not there", async () => {
    const twice = await file("twice.yaml", `${targetYaml("a")}---\n${targetYaml("a")}`);
    expect((await shell.run(["targets", "apply", "-f", twice])).stderr).toMatch(/a is described twice/);
    expect((await shell.run(["targets", "apply", "-f", "/nowhere/x.yaml"])).stderr).toMatch(
      /cannot read \/nowhere/,
    );
  });
});

describe("agents", () => {
  it("invites one, and prints the line alone on standard output", async () => {
    controlPlane.route("POST /join-tokens", () => ({
      status: 201,
      body: {
        id: ID,
        group: "warehouse",
        token: "join-secret",
        controlPlane: "127.0.0.1:8443",
        command: "drawbridge-agent join --token join-secret",
        expiresAt: AT,
      },
    }));
    const { stdout, stderr } = await shell.run([
      "agents",
      "invite",
      "--group",
      "warehouse",
      "--expires",
      "5m",
    ]);
    expect(stdout).toBe("drawbridge-agent join --token join-secret\n");
    expect(stderr).toMatch(/not shown again/);
    const [request] = controlPlane.seen("POST /join-tokens");
    expect(request?.body).toEqual({ group: "warehouse", expiresInSeconds: 300 });
    expect(request?.headers["idempotency-key"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("removes one by its id and by nothing that reads like a path", async () => {
    controlPlane.route("DELETE /agents/a%2F..%2Fb", () => ({ status: 204 }));
    expect((await shell.run(["agents", "remove", "a/../b"])).stdout).toBe("agent a/../b removed\n");
  });
});

describe("recordings", () => {
  const EVENTS = [
    {
      index: 0,
      at: AT,
      kind: "request",
      direction: "client_to_target",
      exchange: 1,
      method: "tools/call",
      name: "execute_sql",
      attributes: { decision: { effect: "allow", policy: "shop-read", rule: "select", reason: "rule" } },
      payload: '{"sql":"select 1"}',
    },
    {
      index: 1,
      at: AT,
      kind: "response",
      direction: "target_to_client",
      exchange: 1,
      attributes: { masked: { card: 2 } },
      payload: "{}",
    },
  ];

  it("shows one as a timeline, over all its pages", async () => {
    controlPlane.route(`GET /recordings/${ID}`, () => ({ body: RECORDING }));
    controlPlane.route(`GET /recordings/${ID}/events`, ({ path: requested }) =>
      requested.includes("cursor=1")
        ? { body: { items: [EVENTS[1]] } }
        : { body: { items: [EVENTS[0]], nextCursor: "1" } },
    );
    const { stdout } = await shell.run(["recordings", "show", ID]);
    expect(stdout).toMatch(/who {8}alice@example\.com\n/);
    expect(stdout).toMatch(
      /→ {2}request .*tools\/call execute_sql {2}allow by shop-read\/select\n {20}\{"sql":"select 1"\}\n/,
    );
    expect(stdout).toMatch(/← {2}response .*masked 2 card\n/);
  });

  it("exports into a new file that only the owner can read", async () => {
    controlPlane.route(`GET /recordings/${ID}/export`, () => ({ body: '{"a":1}\n{"b":2}\n' }));
    const into = path.join(shell.directory, "out.jsonl");
    const { stdout } = await shell.run(["recordings", "export", ID, "-o", into, "--json"]);
    expect(JSON.parse(stdout)).toEqual({ id: ID, file: into, bytes: 16 });
    expect(await readFile(into, "utf8")).toBe('{"a":1}\n{"b":2}\n');
    const again = await shell.run(["recordings", "export", ID, "-o", into]);
    expect(again).toMatchObject({ code: EXIT.failure, stdout: "" });
    expect(again.stderr).toMatch(/cannot write .*exist/);
  });

  it("exports what one event says", async () => {
    const payload = '{"rows":[1.0]}';
    controlPlane.route(`GET /recordings/${ID}/events/402/payload`, () => ({ body: payload }));
    const into = path.join(shell.directory, "answer.json");
    const { stdout } = await shell.run(["recordings", "export", ID, "--event", "402", "-o", into]);
    expect(stdout).toBe(`event 402 of recording ${ID} written to ${into} (14 bytes)\n`);
    expect(await readFile(into, "utf8")).toBe(payload);
    const wrong = await shell.run(["recordings", "export", ID, "--event", "last"]);
    expect(wrong.stderr).toContain("write the index of an event");
  });

  it("leaves no file behind when there is nothing to export", async () => {
    const into = path.join(shell.directory, "none.jsonl");
    expect((await shell.run(["recordings", "export", ID, "-o", into])).code).toBe(EXIT.failure);
    await expect(readFile(into)).rejects.toThrow(/ENOENT/);
  });

  it("exports exactly to a pipe and harmlessly to a terminal", async () => {
    controlPlane.route(`GET /recordings/${ID}/export`, () => ({ body: '"é\u0007"\n' }));
    expect((await shell.run(["recordings", "export", ID])).stdout).toBe('"é\u0007"\n');
    expect((await shell.run(["recordings", "export", ID], { terminal: true })).stdout).toBe('"é\\x07"\n');
  });

  it("fails for a recording that was tampered with", async () => {
    const head = "ab".repeat(32);
    controlPlane.route(`GET /recordings/${ID}/verify`, () => ({
      body: { ok: true, final: false, events: 2, head },
    }));
    expect(await shell.run(["recordings", "verify", ID])).toMatchObject({
      code: EXIT.ok,
      stdout: `recording ${ID} is whole so far, and not closed yet: 2 events, head ${head}\n`,
    });
    const problemText = "event 1 does not follow event 0";
    controlPlane.route(`GET /recordings/${ID}/verify`, () => ({
      body: { ok: false, final: false, events: 2, head, problem: problemText },
    }));
    const damaged = await shell.run(["recordings", "verify", ID, "--json"]);
    expect(damaged.code).toBe(EXIT.failure);
    expect(JSON.parse(damaged.stdout)).toMatchObject({ ok: false });
    expect(damaged.stderr).toContain(problemText);
  });
});

describe("audit", () => {
  it("lists acts and passes the filters on", async () => {
    controlPlane.route("GET /audit-events", () => ({
      body: {
        items: [
          {
            id: ID,
            at: AT,
            actor: "admin",
            action: "target.applied",
            subject: "shop",
            details: { revision: 2 },
          },
        ],
      },
    }));
    const { stdout } = await shell.run(["audit", "--actor", "admin"]);
    expect(stdout).toContain('2026-11-22 22:31:04Z  admin  target.applied  shop     {"revision":2}');
    expect(controlPlane.requests[0]?.path).toBe("/audit-events?actor=admin&limit=50");
  });
});

describe("tools and call", () => {
  it("lists tools with what they need", async () => {
    controlPlane.tools = [
      {
        name: "execute_sql",
        description: "Runs a statement\nand more",
        inputSchema: {
          type: "object",
          properties: { sql: { type: "string" }, limit: {} },
          required: ["sql"],
        },
      },
    ];
    const { stdout } = await shell.run(["tools", "shop"]);
    expect(stdout).toMatch(/^TOOL .*\nexecute_sql {2}sql, limit\? {2}Runs a statement\n$/);
    expect(controlPlane.seen("DELETE /mcp/shop")[0]?.headers["mcp-session-id"]).toBe("a-session");
  });

  it("calls a tool, shows its text and progress, and ends the session", async () => {
    controlPlane.callTool = () => ({
      result: {
        content: [
          { type: "text", text: '{"rows":[{"card":"[masked]","n":12345678901234567890}]}' },
          { type: "text", text: "a\u001b[2Jb" },
        ],
      },
    });
    const { code, stdout, stderr } = await shell.run(["call", "shop", "execute_sql", '{"sql":"select 1"}']);
    expect(code).toBe(EXIT.ok);
    expect(stdout).toBe(
      '{\n  "rows": [\n    {\n      "card": "[masked]",\n      "n": 12345678901234567890\n    }\n  ]\n}\na\\x1b[2Jb\n',
    );
    expect(stderr).toBe(`recording ${ID}\n… half way\n`);
    const call = controlPlane.requests.find(
      ({ body }) => (body as { method?: string } | undefined)?.method === "tools/call",
    );
    expect(call?.body).toMatchObject({ params: { name: "execute_sql", arguments: { sql: "select 1" } } });
    expect(controlPlane.seen("DELETE /mcp/shop")).toHaveLength(1);
  });

  it("writes raw text to a pipe and refuses to do so to a terminal", async () => {
    controlPlane.callTool = () => ({ result: { content: [{ type: "text", text: "a\u001b[2Jb" }] } });
    expect((await shell.run(["call", "shop", "x", "--raw"])).stdout).toBe("a\u001b[2Jb");
    expect((await shell.run(["call", "shop", "x", "--raw"], { terminal: true })).code).toBe(EXIT.usage);
  });

  it("fails when the tool reports an error, and shows it", async () => {
    controlPlane.callTool = () => ({
      result: { isError: true, content: [{ type: "text", text: "no such table" }] },
    });
    expect(await shell.run(["call", "shop", "x"])).toMatchObject({
      code: EXIT.failure,
      stdout: "no such table\n",
    });
  });

  it("fails with the reason when the call is denied", async () => {
    controlPlane.callTool = () => ({
      error: { code: -32003, message: "denied by rule shop-read/no-writes" },
    });
    const { code, stdout, stderr } = await shell.run(["call", "shop", "x", "{}"]);
    expect({ code, stdout }).toEqual({ code: EXIT.failure, stdout: "" });
    expect(stderr).toContain("denied by rule shop-read/no-writes");
    expect(controlPlane.seen("DELETE /mcp/shop")).toHaveLength(1);
  });

  it.each([
    [401, EXIT.notSignedIn, "sign in again"],
    [403, EXIT.notPermitted, "not for you"],
    [404, EXIT.failure, "drawbridge targets"],
  ])("tells a refusal with HTTP status %i by its exit code", async (status, code, text) => {
    controlPlane.mcpRefusal = {
      status,
      body: { jsonrpc: "2.0", id: null, error: { code: -32600, message: "not for you" } },
    };
    const result = await shell.run(["call", "shop", "x"]);
    expect(result).toMatchObject({ code, stdout: "" });
    expect(result.stderr).toContain(text);
  });

  describe("that people have to decide about", () => {
    const held = (id: string, state = "pending"): Record<string, unknown> => ({
      result: {
        isError: true,
        content: [{ type: "text", text: "Approval is pending: call the same tool again" }],
        _meta: {
          "io.drawbridge/approval": { id, url: "https://gate/approvals/x\u001b", state, expiresAt: AT },
        },
      },
    });
    const callsSeen = (): unknown[] =>
      controlPlane.requests
        .map(
          ({ body }) =>
            body as { method?: string; params?: { name: string; arguments: unknown } } | undefined,
        )
        .filter((body) => body?.method === "tools/call")
        .map((body) => ({ name: body?.params?.name, arguments: body?.params?.arguments }));

    let approval: ReturnType<typeof approvalOf>;
    beforeEach(() => {
      approval = approvalOf({ id: ID, name: "x" });
      controlPlane.route(`GET /approvals/${ID}`, () => ({ body: approval }));
    });

    it("is called again, the very same in the same session, until they have", async () => {
      const answers = [
        held(ID),
        held(ID, "approved"),
        { result: { content: [{ type: "text", text: "done" }] } },
      ];
      controlPlane.callTool = () => answers.shift() ?? {};
      const { code, stdout, stderr } = await shell.run(["call", "shop", "x", '{"id":7}'], { terminal: true });
      expect({ code, stdout }).toEqual({ code: EXIT.ok, stdout: "done\n" });
      expect(
        stderr.match(/it waits for approval 00000001: https:\/\/gate\/approvals\/x\\x1b\n/g),
      ).toHaveLength(1);
      expect(stderr).toContain("\r\u001b[Kwaiting for ");
      expect(stderr.endsWith("\r\u001b[K")).toBe(true);
      expect(callsSeen()).toEqual(Array(3).fill({ name: "x", arguments: { id: 7 } }));
      expect(controlPlane.seen("DELETE /mcp/shop")).toHaveLength(1);
      const sessions = controlPlane.requests.filter(({ body }) =>
        JSON.stringify(body)?.includes('"initialize"'),
      );
      expect(sessions).toHaveLength(1);
    });

    it("is called again while access that was asked for on its behalf is not given", async () => {
      const request = requestOf();
      const { result } = held(request.id) as { result: { _meta: Record<string, unknown> } };
      const _meta = { "io.drawbridge/access-request": result._meta["io.drawbridge/approval"] };
      controlPlane.route(`GET /access-requests/${request.id}`, () => ({ body: request }));
      const answers = [{ result: { ...result, _meta } }, { result: { content: [] } }];
      controlPlane.callTool = () => answers.shift() ?? {};
      const { code, stderr } = await shell.run(["call", "shop", "x"]);
      expect(code).toBe(EXIT.ok);
      expect(stderr).toContain("it waits for access request aaaa0001: https://gate");
      controlPlane.callTool = () => ({ result: { ...result, _meta } });
      const refused = await shell.run(["call", "shop", "x", "--no-wait"]);
      expect(refused.stderr).toMatch(/it needs access, which was asked for \(request aaaa0001\)\n/);
    });

    it("fails with the reason when they say no", async () => {
      const answers = [held(ID), { error: { code: -31002, message: "bob denied this call: not now" } }];
      controlPlane.callTool = () => answers.shift() ?? {};
      const { code, stderr } = await shell.run(["call", "shop", "x"]);
      expect(code).toBe(EXIT.failure);
      expect(stderr).toMatch(/error: .*bob denied this call: not now\n$/);
    });

    it("fails at once with --no-wait", async () => {
      controlPlane.callTool = () => held(ID);
      const { code, stdout, stderr } = await shell.run(["call", "shop", "x", "--no-wait"]);
      expect({ code, stdout }).toEqual({ code: EXIT.failure, stdout: "" });
      expect(stderr).toMatch(/needs an approval \(00000001\), and --no-wait takes it back\n/);
      expect(callsSeen()).toHaveLength(1);
    });

    it("is given up with Ctrl-C", async () => {
      const interrupt = new AbortController();
      controlPlane.callTool = () => held(ID);
      const { code } = await shell.run(["call", "shop", "x"], {
        signal: interrupt.signal,
        onNotice: (text) => {
          if (text.includes("it waits")) interrupt.abort();
        },
      });
      expect(code).toBe(EXIT.interrupted);
      expect(callsSeen()).toHaveLength(1);
    });

    it("is called once when it is only the target that says so", async () => {
      controlPlane.callTool = () => held(ID);
      const lies: (() => void)[] = [
        () => controlPlane.route(`GET /approvals/${ID}`, () => problem("approval_not_found", "none")),
        () => (approval = approvalOf({ id: ID, name: "x", state: "consumed" })),
        () => (approval = approvalOf({ id: ID, name: "y" })),
        () => (approval = approvalOf({ id: ID, name: "x", target: "other" })),
      ];
      for (const lie of lies.toReversed()) {
        lie();
        controlPlane.requests.length = 0;
        expect((await shell.run(["call", "shop", "x"])).code).toBe(EXIT.failure);
        expect(callsSeen()).toHaveLength(1);
      }
    });

    it("is called once when the result is no error", async () => {
      controlPlane.callTool = () => {
        const { result } = held(ID) as { result: object };
        return { result: { ...result, isError: false } };
      };
      expect((await shell.run(["call", "shop", "x"])).code).toBe(EXIT.ok);
      expect(callsSeen()).toHaveLength(1);
    });
  });

  it("comes back for the answer of a call whose connection broke", async () => {
    let tries = 0;
    controlPlane.resume = () => {
      tries += 1;
      if (tries < 10) return { status: 502 };
      const id = idOfCall(controlPlane);
      const answer = { jsonrpc: "2.0", id, result: { content: [{ type: "text", text: "done" }] } };
      return {
        body: `id: e2\ndata: ${JSON.stringify(answer)}\n\n`,
        headers: { "content-type": "text/event-stream" },
      };
    };
    const { code, stdout } = await shell.run(["call", "shop", "x"]);
    expect({ code, stdout }).toEqual({ code: EXIT.ok, stdout: "done\n" });
    expect(tries).toBe(10);
  });

  it("does not wait for ever for one that never comes", async () => {
    controlPlane.resume = () => ({ status: 502 });
    const { code, stderr } = await shell.run(["call", "shop", "x"]);
    expect(code).toBe(EXIT.failure);
    expect(stderr).toMatch(/error: the connection was lost; what shop did is unknown/);
  });

  it("says what to type when access has to be asked for", async () => {
    const message = "you have no access to shop now";
    const command = "drawbridge x; rm -rf /";
    controlPlane.callTool = () => ({
      error: { code: -31016, message, data: { target: "shop", policy: "shop-jit", command } },
    });
    const { code, stderr } = await shell.run(["call", "shop", "x"]);
    expect(code).toBe(EXIT.failure);
    expect(stderr).toMatch(
      /no access to shop now\n {2}ask for it: drawbridge request shop --policy shop-jit --tools x --reason TEXT --wait\n$/,
    );
    expect(stderr).not.toContain("rm -rf");
    controlPlane.callTool = () => ({ error: { code: -31016, message, data: { policy: "x; rm -rf /" } } });
    expect((await shell.run(["call", "shop", "$(x)"])).stderr).toMatch(
      /drawbridge request shop --reason TEXT --wait\n$/,
    );
  });

  it("says that nothing answers, and lets Ctrl-C end a call", async () => {
    const interrupt = new AbortController();
    controlPlane.callTool = () => {
      interrupt.abort();
      return {};
    };
    const stopped = await shell.run(["call", "shop", "x"], { signal: interrupt.signal });
    expect(stopped.code).toBe(EXIT.interrupted);
    await controlPlane.stop();
    expect((await shell.run(["tools", "shop"])).stderr).toMatch(/cannot reach .*npm start/);
  });
});
