import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "../errors.js";
import { type FakeControlPlane, problem } from "../fakes/fake-control-plane.js";
import { signedIn } from "../fakes/signed-in.js";
import type { TestShell } from "../fakes/test-shell.js";

const AT = "2026-11-22T22:31:04.120Z";
const SESSION = "0198c1f0-0000-7000-8000-000000000001";
const POLICY = {
  name: "shop-read",
  version: 2,
  createdBy: "admin",
  createdAt: AT,
  source: "kind: Policy # é\n",
};
const PLAN = {
  name: "shop-read",
  outcome: "changed",
  version: 1,
  source: "metadata: {name: shop-read}\nspec: old\n",
  changes: [{ change: "changed", path: "spec.rules.read", says: "tools: adds b" }],
  affected: [
    {
      principal: "alice",
      email: "alice@example.com",
      client: "claude-code",
      target: "shop",
      gains: ["b"],
      loses: ["u", "v", "w", "x", "y", "z"],
    },
  ],
  affectedCount: 3,
  considered: 12,
  openSessions: 2,
};
const SOURCE = "metadata: {name: shop-read}\nspec: new\n";

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

describe("policy apply", () => {
  it("shows what changes and who is affected, then makes the very text live", async () => {
    controlPlane.route("POST /policies/shop-read/plan", () => ({ body: PLAN }));
    controlPlane.route("PUT /policies/shop-read", () => ({ body: { ...POLICY, changed: true } }));
    const { stdout } = await shell.run(["policy", "apply", "-f", await file("p.yaml", SOURCE)]);
    expect(stdout).toContain(
      "policy shop-read changes (live: version 1)\n  rule read: tools: adds b\n--- shop-read (version 1)\n",
    );
    expect(stdout).toContain("-spec: old\n+spec: new\n");
    expect(stdout).toMatch(/alice@example\.com +claude-code +shop +u, v, w, x, y and 1 more +b\n/);
    expect(stdout).toContain("… and 2 more\n3 of 12 seen in the last 30 days; 2 open sessions\n");
    expect(stdout).toMatch(/policy shop-read is live as version 2\n$/);
    expect(controlPlane.seen("PUT ")[0]?.body).toEqual({ source: SOURCE });
  });

  it("changes nothing with --dry-run, nor does diff", async () => {
    controlPlane.route("POST /policies/shop-read/plan", () => ({ body: PLAN }));
    const named = await file("p.yaml", SOURCE);
    const dry = await shell.run(["policy", "apply", "-f", named, "--dry-run"]);
    const diff = await shell.run(["policy", "diff", "-f", named]);
    expect(dry.code).toBe(EXIT.ok);
    expect(diff.stdout).toBe(dry.stdout);
    expect(diff.stdout).toContain("+spec: new");
    expect(controlPlane.seen("PUT ")).toEqual([]);
    const json = await shell.run(["policy", "diff", "-f", named, "--json"]);
    expect(JSON.parse(json.stdout)).toEqual({ items: [PLAN] });
  });

  it("checks every document before the first becomes live", async () => {
    controlPlane.route("POST /policies/first/plan", () => ({ body: { ...PLAN, name: "first" } }));
    controlPlane.route("POST /policies/second/plan", () =>
      problem("policy_invalid", "the policy is not valid", [
        { path: "spec.rules.0.effect", message: "unknown effect", line: 12 },
        { path: "", message: "too long" },
      ]),
    );
    const files = [
      await file("a.yaml", "metadata: {name: first}"),
      await file("b.yaml", "metadata: {name: second}"),
    ];
    const result = await shell.run(["policy", "apply", "-f", files[0] ?? "", "-f", files[1] ?? ""]);
    expect(result).toEqual({
      code: EXIT.failure,
      stdout: "",
      stderr: "error: the policy is not valid\n  line 12: spec.rules.0.effect: unknown effect\n  too long\n",
    });
    expect(controlPlane.seen("PUT ")).toEqual([]);
  });

  it("says that nothing changes", async () => {
    controlPlane.route("POST /policies/shop-read/plan", () => ({
      body: { ...PLAN, outcome: "unchanged", changes: [], affected: [], affectedCount: 0 },
    }));
    controlPlane.route("PUT /policies/shop-read", () => ({
      body: { ...POLICY, version: 1, changed: false },
    }));
    const { stdout } = await shell.run(["policy", "apply", "-f", "-"], { stdin: SOURCE });
    expect(stdout).toBe("policy shop-read unchanged (version 1)\n");
  });

  it("says where a text is broken, that it names nothing, or that two are the same policy", async () => {
    const broken = await shell.run(["policy", "apply", "-f", "-"], { stdin: "a: 1\nb: [" });
    expect(broken.stderr).toMatch(/standard input is not a policy\n {2}line 2: /);
    const nameless = await shell.run(["policy", "apply", "-f", "-"], { stdin: "a: 1" });
    expect(nameless.stderr).toMatch(/no metadata\.name/);
    const twice = [await file("a.yaml", SOURCE), await file("b.yaml", SOURCE)];
    const both = await shell.run(["policy", "apply", ...twice.flatMap((name) => ["-f", name])]);
    expect(both.stderr).toMatch(/are both policy shop-read; give one of them/);
    expect(controlPlane.requests).toEqual([]);
  });
});

describe("policy get", () => {
  it("gives a policy back exactly, except to a terminal", async () => {
    const hostile = { ...POLICY, source: "kind: Policy # \u202e\n" };
    controlPlane.route("GET /policies/shop-read", () => ({ body: hostile }));
    expect((await shell.run(["policy", "get", "shop-read"])).stdout).toBe(hostile.source);
    const shown = await shell.run(["policy", "get", "shop-read"], { terminal: true });
    expect(shown.stdout).toBe("kind: Policy # \\u{202e}\n");
  });

  it("gives an older version back", async () => {
    controlPlane.route("GET /policies/shop-read/versions/1", () => ({
      body: { ...POLICY, source: "old\n" },
    }));
    expect((await shell.run(["policy", "get", "shop-read", "1"])).stdout).toBe("old\n");
    expect((await shell.run(["policy", "get", "shop-read", "0"])).code).toBe(EXIT.usage);
  });
});

describe("policy explain", () => {
  const EXPLANATION = {
    effect: "deny",
    reason: 'rule "no-destruction" denies it',
    message: "Open a change request.",
    policy: "shop",
    version: 3,
    rule: "no-destruction",
    listed: true,
    tool: "quarantined",
    rules: [
      {
        policy: "shop",
        version: 3,
        rule: "no-destruction",
        effect: "deny",
        written: "deny",
        matched: true,
        condition: "true",
        says: "its condition holds",
        decisive: true,
      },
      {
        policy: "more",
        version: 0,
        rule: "read",
        effect: "allow",
        written: "allow",
        matched: false,
        condition: "false",
        says: "its condition does not hold",
        decisive: false,
      },
    ],
    facts: { sql: { parsed: true, readOnly: false, kinds: ["drop"], tables: [] } },
    limits: ["500 calls in 1h for each principal"],
  };

  it("shows every rule that speaks, the one that decides and the facts", async () => {
    controlPlane.route("POST /policies/explain", () => ({ body: EXPLANATION }));
    const { stdout, code } = await shell.run([
      "policy",
      "explain",
      "shop",
      "execute_sql",
      '{"sql":"drop table x"}',
      "--user=bob",
      "--group=dba",
      "--group=admins",
      "-f",
      await file("p.yaml", SOURCE),
    ]);
    expect(code).toBe(EXIT.ok);
    expect(stdout).toContain('deny: rule "no-destruction" denies it\nsays: Open a change request.\n');
    expect(stdout).toContain("the tool is quarantined");
    expect(stdout).toContain("limit: 500 calls in 1h for each principal\n");
    expect(stdout).toMatch(/\* +shop v3 +no-destruction +deny +true +deny +its condition holds\n/);
    expect(stdout).toMatch(/more \(candidate\) +read +allow +false +nothing +its condition does not hold\n/);
    expect(stdout).toMatch(/sql:\n {2}parsed: true\n {2}kinds: drop\n$/);
    expect(controlPlane.requests[0]?.body).toEqual({
      target: "shop",
      method: "tools/call",
      name: "execute_sql",
      arguments: { sql: "drop table x" },
      principal: { id: "bob", groups: ["dba", "admins"] },
      candidates: [SOURCE],
    });
  });

  it("asks about who signed in unless told otherwise, and refuses half a principal", async () => {
    controlPlane.route("POST /policies/explain", () => ({ body: EXPLANATION }));
    await shell.run(["policy", "explain", "shop", "--method", "roots/list"]);
    expect(controlPlane.requests[0]?.body).toEqual({ target: "shop", method: "roots/list" });
    const half = await shell.run(["policy", "explain", "shop", "read", "--group", "dba"]);
    expect(half).toMatchObject({ code: EXIT.usage });
    expect(half.stderr).toContain("give --user as well");
    expect((await shell.run(["policy", "explain", "shop", "read", "[1]"])).code).toBe(EXIT.usage);
  });
});

describe("policy backtest", () => {
  const CHANGED = {
    line: "changed",
    at: AT,
    session: SESSION,
    exchange: 4,
    principal: "alice",
    target: "shop",
    method: "tools/call",
    name: "execute_sql",
    was: "allow",
    wasRule: "read",
    now: "deny",
    nowRule: "no-destruction",
    reason: "rule denies",
    uncertain: true,
  };
  const SUMMARY = {
    line: "summary",
    operations: 9,
    changed: 2,
    uncertain: 1,
    unreadable: 0,
    counts: [
      { principal: "alice", target: "shop", name: "execute_sql", was: "allow", now: "deny", count: 2 },
    ],
  };
  const lines = (...values: unknown[]): string =>
    values.map((value) => `${JSON.stringify(value)}\n`).join("");
  const PROGRESS = { line: "progress", done: 3, total: 9 };

  async function run(answer: string, ...more: string[]) {
    controlPlane.route("POST /policies/backtest", () => ({ body: answer }));
    return shell.run(["policy", "backtest", "-f", await file("p.yaml", SOURCE), ...more]);
  }

  it("lists what would change, as much as asked for, and sums up", async () => {
    const { stdout, code } = await run(lines(PROGRESS, CHANGED, CHANGED, SUMMARY), "--limit", "1");
    expect(code).toBe(EXIT.ok);
    expect(stdout.match(/→/g)).toHaveLength(1);
    expect(stdout).toContain(
      "alice  shop execute_sql: allow (read) → deny (no-destruction), uncertain: its arguments are masked",
    );
    expect(stdout).toContain("… and 1 more (--limit)");
    expect(stdout).toMatch(/alice +shop +execute_sql +allow +deny +2\n/);
    expect(stdout).toMatch(/2 of 9 decisions would change, 1 of them uncertain; 0 could not be judged\n$/);
  });

  it("asks for the period that is given, a week otherwise", async () => {
    await run(lines(SUMMARY));
    await run(lines(SUMMARY), "--from", "2026-11-01T00:00:00Z", "--to", "2026-11-02T00:00:00Z");
    const [week, given] = controlPlane.requests.map(({ body }) => body as { from: string; to?: string });
    expect(Date.now() - Date.parse(week?.from ?? "")).toBeLessThan(7 * 86_400_000 + 60_000);
    expect(given).toMatchObject({ from: "2026-11-01T00:00:00.000Z", to: "2026-11-02T00:00:00.000Z" });
    expect((await run(lines(SUMMARY), "--from", "yesterday")).code).toBe(EXIT.usage);
  });

  it("shows a bar on a terminal, and takes it away", async () => {
    controlPlane.route("POST /policies/backtest", () => ({ body: lines(PROGRESS, SUMMARY) }));
    const named = await file("p.yaml", SOURCE);
    const { stderr } = await shell.run(["policy", "backtest", "-f", named], { terminal: true });
    expect(stderr).toContain("[##########--------------------] 3 of 9 operations");
    expect(stderr.endsWith("\r\u001b[K")).toBe(true);
  });

  it("prints each line as JSON, on a line of its own", async () => {
    const { stdout } = await run(lines(PROGRESS, CHANGED, SUMMARY), "--json");
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([PROGRESS, CHANGED, SUMMARY]);
  });

  it.each([
    [
      "a failure on the way",
      lines(PROGRESS, { line: "failed", detail: "the database went away" }),
      /went away/,
    ],
    ["an end without a summary", lines(PROGRESS), /broke off/],
    ["half a line", `${lines(PROGRESS)}{"line":"sum`, /broke off/],
    ["a line of another kind", lines({ line: "surprise" }), /does not understand/],
  ])("fails for %s", async (_what, answer, says) => {
    const { code, stderr } = await run(answer);
    expect(code).toBe(EXIT.failure);
    expect(stderr).toMatch(says);
  });
});

describe("policy test", () => {
  const lines = (...values: unknown[]): string =>
    values.map((value) => `${JSON.stringify(value)}\n`).join("");
  const answers = (stdout: string) =>
    stdout
      .trim()
      .split("\n")
      .map(
        (line) => JSON.parse(line) as { id: unknown; decision: string; rule: string | null; facts: object },
      );

  it("decides commands under the starter rules, without a control plane", async () => {
    const commands = [
      { id: "a", dialect: "postgresql", text: "select 1" },
      { id: 2, dialect: "postgresql", text: "drop table users" },
      { id: null, dialect: "mysql", text: "delete from t where 1=1" },
      { dialect: "sh", text: "rm -rf /" },
      { id: "e", dialect: "sh", text: "git commit -m 'rm -rf /'" },
      { id: "f", dialect: "postgresql", text: "d\u200brop \u001b table \u0000 users" },
    ];
    const { stdout, code } = await shell.run(["policy", "test", "--jsonl"], { stdin: lines(...commands) });
    expect(code).toBe(EXIT.ok);
    expect(answers(stdout).map(({ id, decision, rule }) => [id, decision, rule])).toEqual([
      ["a", "allow", "read"],
      [2, "deny", "no-destruction"],
      [null, "deny", "no-destruction"],
      [null, "deny", "no-destruction"],
      ["e", "allow", "change-outside-production"],
      ["f", "deny", "understood-sql-only"],
    ]);
    expect(answers(stdout)[0]?.facts).toMatchObject({ parsed: true, readOnly: true, kinds: ["select"] });
    expect(controlPlane.requests).toEqual([]);
  });

  it("asks for approval before production is written to", async () => {
    const stdin = lines({ id: 1, dialect: "postgresql", text: "update t set a = 1 where id = 2" });
    const labels = ["--label", "commands=sql", "--label", "env=production"];
    const { stdout } = await shell.run(["policy", "test", "--jsonl", ...labels], { stdin });
    expect(answers(stdout)[0]).toMatchObject({
      decision: "require_approval",
      rule: "ask-before-writing-to-production",
    });
  });

  it("goes on after lines that cannot be read, and fails at the end", async () => {
    const named = await file(
      "commands.jsonl",
      `nonsense\n\n{"id":1,"dialect":"oracle","text":"x"}\n${lines({ id: 2, dialect: "sh", text: "ls" })}`,
    );
    const { stdout, stderr, code } = await shell.run(["policy", "test", "--jsonl", named]);
    expect(code).toBe(EXIT.failure);
    expect(stderr).toBe("error: 2 of 4 lines could not be read\n");
    expect(stdout.split("\n").map((line) => line.slice(0, 26))).toEqual([
      '{"line":1,"error":"not JSO',
      '{"line":3,"error":"dialect',
      '{"id":2,"decision":"allow"',
      "",
    ]);
    const missing = await shell.run(["policy", "test", "--jsonl", "/nowhere"]);
    expect(missing.stderr).toMatch(/cannot read \/nowhere/);
  });

  it("checks policies, and names the line of what is wrong", async () => {
    const good = `apiVersion: drawbridge/v1
kind: Policy
metadata: { name: mine }
spec:
  targets: { names: [shop] }
  subjects: { groups: [engineering] }
  rules:
    - { name: read, tools: [query], when: sql.readOnly, effect: allow }
`;
    const checked = await shell.run(["policy", "test", "-f", await file("good.yaml", good)]);
    expect(checked.stdout).toBe("policies: 1, rules: 1, all in order\n");
    const bad = await file("bad.yaml", good.replace("sql.readOnly", "sql.readsOnly"));
    const { stderr, code } = await shell.run(["policy", "test", "-f", bad]);
    expect(code).toBe(EXIT.failure);
    expect(stderr).toMatch(/line 8: spec\.rules\.0\.when: .*readOnly/);
    expect((await shell.run(["policy", "test"])).code).toBe(EXIT.usage);
  });
});

it("prints the schema of policies", async () => {
  const { stdout } = await shell.run(["policy", "schema"]);
  expect(JSON.parse(stdout)).toHaveProperty("properties");
});
