import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "../errors.js";
import { grantOf, idOf, requestOf } from "../fakes/access-views.js";
import { type FakeControlPlane, problem } from "../fakes/fake-control-plane.js";
import { signedIn } from "../fakes/signed-in.js";
import type { TestShell } from "../fakes/test-shell.js";

const REQUEST = requestOf();
const GRANT = grantOf();
const REQUESTED = `/access-requests/${REQUEST.id}`;
const HOSTILE = "a\u001b[2Jb\nc";

let controlPlane: FakeControlPlane;
let shell: TestShell;
let stop: () => Promise<void>;
beforeEach(async () => {
  ({ controlPlane, shell, stop } = await signedIn());
  controlPlane.route("POST /access-requests", () => ({ status: 201, body: REQUEST }));
  controlPlane.route("GET /access-requests", () => ({ body: { items: [REQUEST] } }));
  controlPlane.route(`GET ${REQUESTED}`, () => ({ body: REQUEST }));
  controlPlane.route("GET /grants", () => ({ body: { items: [GRANT] } }));
  controlPlane.route(`GET /grants/${GRANT.id}`, () => ({ body: GRANT }));
});
afterEach(() => stop());

const queryOf = (path: string | undefined): Record<string, string> =>
  Object.fromEntries(new URL(path ?? "", "http://x").searchParams);

describe("request", () => {
  it("asks for access and says who has to decide", async () => {
    const result = await shell.run(["request", "shop", "--reason", "order 4711 is stuck"]);
    expect(result).toEqual({
      code: EXIT.ok,
      stdout: "request aaaa0001 for shop waits for 2 of dba, at most 3h 10m\n",
      stderr: "see how it stands: drawbridge requests show aaaa0001; or wait: add --wait next time\n",
    });
    const [sent] = controlPlane.seen("POST ");
    expect(sent?.body).toEqual({ target: "shop", reason: "order 4711 is stuck" });
    expect(sent?.headers["idempotency-key"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("passes everything on that was said", async () => {
    const argv = ["request", "shop", "--tools", "search_*, execute_sql", "--reason", "r", "--ticket", "T-1"];
    const more = [
      "--for",
      "2h",
      "--start",
      "2026-11-24T10:00+01:00",
      "--policy",
      "p",
      "--break-glass",
      "--json",
    ];
    const { stdout } = await shell.run([...argv, ...more]);
    expect(controlPlane.seen("POST ")[0]?.body).toEqual({
      target: "shop",
      tools: ["search_*", "execute_sql"],
      reason: "r",
      ticket: "T-1",
      duration: "2h",
      startsAt: "2026-11-24T09:00:00.000Z",
      policy: "p",
      breakGlass: true,
    });
    expect(JSON.parse(stdout)).toMatchObject({ id: REQUEST.id, state: "pending" });
  });

  it.each([
    ["a duration", ["--for", "2 hours"]],
    ["a start", ["--start", "tomorrow"]],
    ["a start without an offset", ["--start", "2026-11-24T10:00"]],
    ["tools", ["--tools", "a,,b"]],
  ])("takes nothing that is no such thing: %s", async (_what, options) => {
    expect((await shell.run(["request", "shop", ...options])).code).toBe(EXIT.usage);
    expect(controlPlane.requests).toEqual([]);
  });

  const REASON_MISSING = problem(
    "access_request_invalid",
    "the policy p asks for a reason: say what the access is for (--reason)",
  );

  it("asks at the terminal for a reason that the policy wants", async () => {
    controlPlane.route("POST /access-requests", ({ body }) =>
      (body as { reason?: string }).reason === undefined ? REASON_MISSING : { status: 201, body: REQUEST },
    );
    const asked = await shell.run(["request", "shop"], { answers: ["order 4711"] });
    expect(asked).toMatchObject({ code: EXIT.ok });
    expect(asked.stderr).toMatch(/^why do you need it\?/);
    expect(controlPlane.seen("POST ").map(({ body }) => body)).toEqual([
      { target: "shop" },
      { target: "shop", reason: "order 4711" },
    ]);
    for (const input of [{}, { answers: [""] }]) {
      const refused = await shell.run(["request", "shop"], input);
      expect(refused.code).toBe(EXIT.failure);
      expect(refused.stderr).toContain("error: the policy p asks for a reason");
    }
  });

  it("asks for no reason when something else is wrong", async () => {
    controlPlane.route("POST /access-requests", () =>
      problem("access_not_requestable", "nothing to ask for"),
    );
    const { code, stderr } = await shell.run(["request", "shop"], { answers: ["r"] });
    expect({ code, stderr }).toEqual({ code: EXIT.failure, stderr: "error: nothing to ask for\n" });
  });

  it("says which grant a request gave at once", async () => {
    const body = requestOf({ state: "approved", grantId: GRANT.id });
    controlPlane.route("POST /access-requests", () => ({ status: 201, body }));
    const result = await shell.run([
      "request",
      "shop",
      "--break-glass",
      "--reason",
      "checkout is down",
      "--wait",
    ]);
    expect(result).toEqual({
      code: EXIT.ok,
      stdout: "request aaaa0001 for shop is approved (grant bbbb0001)\n",
      stderr: "",
    });
  });

  it.each([
    ["approved", EXIT.ok, ""],
    ["denied", EXIT.failure, "error: request aaaa0001 is denied by bob: a\\x1b[2Jb\\nc\n"],
    ["expired", EXIT.failure, "error: request aaaa0001 is expired\n"],
    ["withdrawn", EXIT.failure, "error: request aaaa0001 is withdrawn\n"],
  ] as const)("waits until it is %s", async (state, code, stderr) => {
    let looks = 0;
    const by = state === "denied" ? { decidedBy: "bob", comment: HOSTILE } : {};
    controlPlane.route(`GET ${REQUESTED}`, () => {
      looks += 1;
      if (looks === 1) return problem("database_unavailable", "later");
      return { body: looks === 2 ? REQUEST : requestOf({ state, ...by }) };
    });
    const result = await shell.run(["request", "shop", "--wait"]);
    expect(result).toMatchObject({ code, stderr });
    expect(result.stdout).toMatch(new RegExp(`\\nrequest aaaa0001 for shop is ${state}\\n$`));
    expect(looks).toBe(3);
  });

  it("leaves the request when the waiting is interrupted, and says so", async () => {
    const interrupt = new AbortController();
    controlPlane.route(`GET ${REQUESTED}`, () => {
      setTimeout(() => interrupt.abort(), 50);
      return { body: REQUEST };
    });
    const { code, stderr } = await shell.run(["request", "shop", "--wait"], { signal: interrupt.signal });
    expect(code).toBe(EXIT.interrupted);
    expect(stderr).toMatch(/the request stays; take it back: drawbridge requests withdraw aaaa0001\n/);
  });
});

describe("requests", () => {
  it("lists what waits", async () => {
    controlPlane.route("GET /access-requests", () => ({ body: { items: [requestOf({ reason: HOSTILE })] } }));
    const { stdout } = await shell.run(["requests"]);
    expect(stdout).toMatch(
      /^ID .*\naaaa0001 {2}pending {2}2h 5m {2}access {2}alice@example\.com {2}shop {4}the whole target {2}2h {3}2 of dba {2}a\\x1b\[2Jb\\nc\n$/,
    );
    expect(queryOf(controlPlane.requests[0]?.path)).toEqual({ state: "pending", limit: "50" });
    const json = await shell.run([
      "requests",
      "list",
      "--state",
      "all",
      "--mine",
      "--target",
      "shop",
      "--json",
    ]);
    expect(JSON.parse(json.stdout)).toMatchObject({ items: [{ id: REQUEST.id }] });
    expect(queryOf(controlPlane.requests[1]?.path)).toEqual({ mine: "true", target: "shop", limit: "50" });
  });

  it("shows one, by the end of its id", async () => {
    const { stdout } = await shell.run(["requests", "show", "aaaa0001"]);
    expect(stdout).toMatch(/^request +0198.*aaaa0001\n/);
    expect(stdout).toMatch(/\nfor +2h\nfrom +when it is approved\n/);
    expect(stdout).toMatch(/\nstill needed +2 of dba\n/);
    expect(JSON.parse((await shell.run(["requests", "show", REQUEST.id, "--json"])).stdout)).toEqual(REQUEST);
    expect((await shell.run(["requests", "show", "ffffff"])).stderr).toMatch(/there is no request ffffff/);
  });

  it.each([
    ["approve", [], { verdict: "approve" }],
    ["approve", ["--comment", "ok"], { verdict: "approve", comment: "ok" }],
    ["deny", ["--comment", "no"], { verdict: "deny", comment: "no" }],
  ])("are reviewed: %s %j", async (verb, options, body) => {
    const at = REQUEST.createdAt;
    const votes = [{ principal: "bob", verdict: "approve" as const, at, counts: true }];
    const decided = requestOf({ state: "approved", decidedBy: "bob", review: { ...REQUEST.review, votes } });
    controlPlane.route(`POST ${REQUESTED}/review`, () => ({ body: decided }));
    const { code, stdout } = await shell.run(["requests", verb, "aaaa0001", ...options]);
    expect(code).toBe(EXIT.ok);
    expect(stdout).toMatch(/\ndecided by +bob\n[^]*\nbob {2}approve/);
    expect(controlPlane.seen("POST ")[0]?.body).toEqual(body);
    const json = await shell.run(["requests", verb, "aaaa0001", ...options, "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ state: "approved" });
  });

  it("are not denied without a comment, and not by those who may not", async () => {
    expect((await shell.run(["requests", "deny", "aaaa0001"])).code).toBe(EXIT.usage);
    controlPlane.route(`POST ${REQUESTED}/review`, () => problem("own_request", "you asked yourself"));
    const { code, stderr } = await shell.run(["requests", "approve", "aaaa0001"]);
    expect({ code, stderr }).toEqual({ code: EXIT.notPermitted, stderr: "error: you asked yourself\n" });
  });

  it("are withdrawn", async () => {
    controlPlane.route(`POST ${REQUESTED}/withdraw`, () => ({ body: requestOf({ state: "withdrawn" }) }));
    expect((await shell.run(["requests", "withdraw", "aaaa0001"])).stdout).toBe(
      "request aaaa0001 is withdrawn\n",
    );
    const { stdout } = await shell.run(["requests", "withdraw", "aaaa0001", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ state: "withdrawn" });
  });
});

describe("grants", () => {
  it("lists those in force, and others when asked", async () => {
    const { stdout } = await shell.run(["grants"]);
    expect(stdout).toMatch(
      /^ID .*\nbbbb0001 {2}active {2}access {2}alice@example\.com {2}shop {4}execute_\* {2}shop-engineering {2}20\S+ \S+ {2}3h 10m {2}-\n$/,
    );
    expect(queryOf(controlPlane.requests[0]?.path)).toEqual({ state: "active", limit: "50" });
    await shell.run([
      "grants",
      "list",
      "--mine",
      "--state",
      "all",
      "--target",
      "shop",
      "--principal",
      "alice",
    ]);
    expect(queryOf(controlPlane.requests[1]?.path)).toEqual({
      mine: "true",
      target: "shop",
      principal: "alice",
      limit: "50",
    });
    const unreviewed = await shell.run(["grants", "--unreviewed", "--json"]);
    expect(JSON.parse(unreviewed.stdout)).toEqual({ items: [GRANT] });
    expect(queryOf(controlPlane.requests[2]?.path)).toEqual({ review: "open", limit: "50" });
  });

  it("shows one, ended ones with how they ended", async () => {
    expect((await shell.run(["grants", "show", "bbbb0001"])).stdout).toMatch(/\nuntil +20.* \(in 3h 10m\)\n/);
    const ended = {
      state: "revoked" as const,
      endedBy: "admin",
      endReason: HOSTILE,
      reviewState: "open" as const,
    };
    controlPlane.route(`GET /grants/${GRANT.id}`, () => ({ body: grantOf(ended) }));
    const { stdout } = await shell.run(["grants", "show", "bbbb0001"]);
    expect(stdout).toMatch(/\nended by +admin\nend reason +a\\x1b\[2Jb\\nc\nreview +open\n/);
    expect(JSON.parse((await shell.run(["grants", "show", GRANT.id, "--json"])).stdout)).toMatchObject(ended);
  });

  it("asks for more time", async () => {
    controlPlane.route(`POST /grants/${GRANT.id}/extend`, () => ({
      status: 201,
      body: requestOf({ kind: "extension" }),
    }));
    const argv = ["grants", "extend", "bbbb0001", "--for", "1h", "--reason", "not done"];
    expect((await shell.run(argv)).stdout).toMatch(/\nkind +extension\n/);
    expect(controlPlane.seen("POST ")[0]?.body).toEqual({ duration: "1h", reason: "not done" });
    expect(JSON.parse((await shell.run([...argv, "--json"])).stdout)).toMatchObject({ kind: "extension" });
    expect((await shell.run(["grants", "extend", "bbbb0001"])).code).toBe(EXIT.usage);
  });

  it.each([
    ["return", [], {}, "grant bbbb0001 for shop is returned"],
    ["revoke", ["--reason", "left"], { reason: "left" }, "grant bbbb0001 of alice for shop is revoked"],
    [
      "review",
      ["--object", "--comment", "why?"],
      { verdict: "object", comment: "why?" },
      "the break-glass access bbbb0001 of alice is reviewed: object",
    ],
    [
      "review",
      ["--accept", "--comment", "fine"],
      { verdict: "accept", comment: "fine" },
      "the break-glass access bbbb0001 of alice is reviewed: accept",
    ],
  ])("%s %j", async (verb, options, body, said) => {
    controlPlane.route(`POST /grants/${GRANT.id}/${verb}`, () => ({ body: GRANT }));
    const argv = ["grants", verb, "bbbb0001", ...options];
    expect(await shell.run(argv)).toEqual({ code: EXIT.ok, stdout: `${said}\n`, stderr: "" });
    expect(controlPlane.seen("POST ")[0]?.body).toEqual(body);
    expect(JSON.parse((await shell.run([...argv, "--json"])).stdout)).toEqual(GRANT);
  });

  it("wants one verdict of a review, and a reason of a revocation", async () => {
    for (const options of [[], ["--accept", "--object"]]) {
      const argv = ["grants", "review", "bbbb0001", "--comment", "c", ...options];
      expect((await shell.run(argv)).code).toBe(EXIT.usage);
    }
    expect((await shell.run(["grants", "revoke", "bbbb0001"])).code).toBe(EXIT.usage);
    expect(controlPlane.requests).toEqual([]);
  });

  it("passes on that a grant is over", async () => {
    controlPlane.route(`POST /grants/${GRANT.id}/return`, () =>
      problem("grant_not_active", "it ended before"),
    );
    const { code, stderr } = await shell.run(["grants", "return", idOf("bbbb0001")]);
    expect({ code, stderr }).toEqual({ code: EXIT.failure, stderr: "error: it ended before\n" });
  });
});
