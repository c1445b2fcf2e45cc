import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "../errors.js";
import { approvalOf, idOf } from "../fakes/access-views.js";
import { type FakeControlPlane, problem } from "../fakes/fake-control-plane.js";
import { signedIn } from "../fakes/signed-in.js";
import type { TestShell } from "../fakes/test-shell.js";

const APPROVAL = approvalOf();
const PATH = `/approvals/${APPROVAL.id}`;
const HOSTILE = "execute\u001b[2K\nstate  approved\u202e";

let controlPlane: FakeControlPlane;
let shell: TestShell;
let stop: () => Promise<void>;
beforeEach(async () => {
  ({ controlPlane, shell, stop } = await signedIn());
  waits(APPROVAL);
});
afterEach(() => stop());

type Approval = ReturnType<typeof approvalOf>;

/** These are held, the first one the newest. */
function waits(...approvals: Approval[]): void {
  controlPlane.route("GET /approvals", ({ path }) => {
    const state = new URL(path, "http://x").searchParams.get("state");
    return { body: { items: approvals.filter((approval) => state === null || approval.state === state) } };
  });
  for (const approval of approvals)
    controlPlane.route(`GET /approvals/${approval.id}`, () => ({ body: approval }));
}

const queryOf = (path: string | undefined): Record<string, string> =>
  Object.fromEntries(new URL(path ?? "", "http://x").searchParams);

describe("approvals list", () => {
  it("shows what waits, for whom and for how long", async () => {
    const { code, stdout } = await shell.run(["approvals"]);
    expect(code).toBe(EXIT.ok);
    expect(stdout).toBe(
      "ID        STATE    AGE    WHO                TARGET  TOOL         RULE                                 NEEDS     LEFT    YOURS\n" +
        "9f3c21aa  pending  2h 5m  alice@example.com  shop    execute_sql  shop-engineering/ask-before-writing  2 of dba  3h 10m  to decide\n",
    );
    expect(queryOf(controlPlane.requests[0]?.path)).toEqual({ state: "pending", limit: "50" });
  });

  it("passes the filters on, and prints JSON", async () => {
    const argv = [
      "approvals",
      "list",
      "--state",
      "all",
      "--target",
      "shop",
      "--mine",
      "--limit",
      "7",
      "--json",
    ];
    const { stdout } = await shell.run(argv);
    expect(JSON.parse(stdout)).toMatchObject({ items: [{ id: APPROVAL.id }] });
    expect(queryOf(controlPlane.requests[0]?.path)).toEqual({ target: "shop", mine: "true", limit: "7" });
  });

  it("says that nothing waits", async () => {
    waits();
    expect((await shell.run(["approvals"])).stdout).toBe("nothing waits for an approval\n");
  });

  it("shows hostile names escaped, each on its one line", async () => {
    waits(approvalOf({ name: HOSTILE, reason: HOSTILE }));
    for (const argv of [["approvals"], ["approvals", "show", "9f3c21aa"]]) {
      const { stdout } = await shell.run(argv);
      expect(stdout).toContain(String.raw`execute\x1b[2K\nstate  approved\u{202e}`);
      expect(stdout).not.toMatch(/^state {2}approved/m);
    }
  });
});

describe("approvals show", () => {
  it("shows everything that somebody who decides has to know", async () => {
    const vote = {
      principal: "bob",
      verdict: "approve" as const,
      comment: "fine",
      at: APPROVAL.createdAt,
      counts: false,
    };
    waits(approvalOf({ review: { ...APPROVAL.review, votes: [vote], escalated: true } }));
    const { stdout } = await shell.run(["approvals", "show", "9f3c21"]);
    expect(stdout).toMatch(
      new RegExp(`^approval +${APPROVAL.id}\nstate +pending\nwho +alice@example.com\nclient +cursor\n`),
    );
    expect(stdout).toMatch(/\nrule +shop-engineering\/ask-before-writing\nwhy +the rule ask-before-writing/);
    expect(stdout).toMatch(
      /\nexpires +20.* \(in 3h 10m\)\nrequester +waiting\nstill needed +2 of dba\nyou may decide +yes\n/,
    );
    expect(stdout).toMatch(/\nescalated +yes\n/);
    expect(stdout).toContain(
      '\nwhat would run (masked):\n  {\n    "name": "execute_sql",\n    "arguments": {\n      "sql": "update orders',
    );
    expect(stdout).toMatch(/\nbob {2}approve {2}20\S+ \S+ {2}no {6}fine\n$/);
  });

  it("shows an edit as a difference, and who decided", async () => {
    const editedPreview = APPROVAL.preview.replace("id = 7", "id = 8");
    const decided = {
      state: "consumed" as const,
      decidedBy: "bob",
      decidedAt: APPROVAL.createdAt,
      comment: "ok",
    };
    waits(approvalOf({ ...decided, edited: true, editedPreview, endedAt: APPROVAL.createdAt }));
    const { stdout } = await shell.run(["approvals", "show", APPROVAL.id]);
    expect(stdout).toMatch(
      /\n {2}- +"sql": "update orders set note = null where id = 7"\n {2}\+ +"sql": ".* id = 8"\n/,
    );
    expect(stdout).toMatch(/\ndecided by +bob\n/);
    expect(stdout).not.toMatch(/\nexpires/);
  });

  it("lets no preview that is no JSON break out of its place", async () => {
    waits(approvalOf({ preview: "{\nstate  approved\u001b[1A" }));
    const { stdout } = await shell.run(["approvals", "show", "9f3c21aa"]);
    expect(stdout).toContain("  {\n  state  approved\\x1b[1A\n");
  });

  it("says that the requester has left", async () => {
    waits(approvalOf({ requesterPresent: false }));
    expect((await shell.run(["approvals", "show", "9f3c21aa"])).stdout).toMatch(
      /requester +has left: it cannot run/,
    );
  });

  it("refuses an id that is none, unknown or means several", async () => {
    expect((await shell.run(["approvals", "show", "../x"])).code).toBe(EXIT.usage);
    expect(controlPlane.requests).toEqual([]);
    expect((await shell.run(["approvals", "show", "ffffffff"])).stderr).toMatch(/no approval ffffffff/);
    const twin = approvalOf({ id: APPROVAL.id.replace("7777", "8888") });
    waits(APPROVAL, twin);
    const { code, stderr } = await shell.run(["approvals", "show", "9f3c21aa"]);
    expect({ code, stderr }).toEqual({
      code: EXIT.failure,
      stderr: `error: 9f3c21aa could be 2 approvals; write more of the one you mean\n  ${APPROVAL.id}\n  ${twin.id}\n`,
    });
  });

  it("passes on that there is no such approval", async () => {
    controlPlane.route(`GET ${PATH}`, () =>
      problem("approval_not_found", "there is no approval for you here"),
    );
    const { code, stderr } = await shell.run(["approvals", "show", APPROVAL.id]);
    expect({ code, stderr }).toEqual({
      code: EXIT.failure,
      stderr: "error: there is no approval for you here\n",
    });
  });
});

describe("approvals approve", () => {
  beforeEach(() => {
    controlPlane.route(`POST ${PATH}/approve`, () => ({ body: { ...APPROVAL, state: "approved" } }));
  });

  it("shows what would run and approves it when somebody says yes", async () => {
    const result = await shell.run(["approvals", "approve", "9f3c21aa", "--comment", "fine"], {
      answers: ["y"],
    });
    expect(result).toMatchObject({ code: EXIT.ok, stdout: "9f3c21aa (execute_sql at shop) is approved\n" });
    expect(result.stderr).toMatch(
      /"sql": "update orders[^]*approve 9f3c21aa \(execute_sql at shop\)\? \[y\/N\]/,
    );
    const [request] = controlPlane.seen("POST ");
    expect(request?.body).toEqual({ comment: "fine" });
    expect(request?.headers["idempotency-key"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("asks about hostile names in words that cannot pass for its own", async () => {
    waits(approvalOf({ name: HOSTILE, comment: HOSTILE }));
    const { stderr } = await shell.run(["approvals", "approve", "9f3c21aa"], { answers: ["n"] });
    expect(stderr).not.toMatch(/^state {2}approved/m);
    expect(stderr).not.toContain("\u202e");
    expect(stderr.match(/execute\\x1b\[2K\\nstate {2}approved/g)).toHaveLength(2);
  });

  it.each([[""], ["n"], ["yolo"], ["yy"]])("does nothing when the answer is %j", async (answer) => {
    const { code, stderr } = await shell.run(["approvals", "approve", "9f3c21aa"], { answers: [answer] });
    expect(code).toBe(EXIT.failure);
    expect(stderr).toMatch(/error: nothing was done\n$/);
    expect(controlPlane.seen("POST ")).toEqual([]);
  });

  it("needs --yes where nobody can be asked", async () => {
    const refused = await shell.run(["approvals", "approve", "9f3c21aa"]);
    expect(refused).toMatchObject({
      code: EXIT.usage,
      stderr: expect.stringContaining("add --yes") as unknown,
    });
    expect(controlPlane.requests).toEqual([]);
    expect((await shell.run(["approvals", "approve", "9f3c21aa", "--yes"])).code).toBe(EXIT.ok);
  });

  it("puts other arguments in place, and shows them before it asks", async () => {
    const set = ["--set", '/sql="select 1\\u001b"', "--set", "/options/limit=3", "--session-uses", "5"];
    const { stderr } = await shell.run(["approvals", "approve", "9f3c21aa", ...set], { answers: ["yes"] });
    expect(controlPlane.seen("POST ")[0]?.body).toEqual({
      edits: { "/sql": "select 1\u001b", "/options/limit": 3 },
      sessionUses: 5,
    });
    expect(stderr).toContain(
      '  /sql = "select 1\\u001b"\n  /options/limit = 3\n\nand 5 times more in the same session',
    );
  });

  it.each([
    ["no pointer", ["--set", "sql=1"]],
    ["no value", ["--set", "/sql"]],
    ["text without quotes", ["--set", "/sql=select 1"]],
    ["a number that would be rounded", ["--set", "/id=9007199254740993"]],
    ["too many uses", ["--session-uses", "1001", "--yes"]],
  ])("takes no edit with %s", async (_what, options) => {
    const { code, stdout } = await shell.run(["approvals", "approve", "9f3c21aa", ...options]);
    expect({ code, stdout }).toEqual({ code: EXIT.usage, stdout: "" });
    expect(controlPlane.requests).toEqual([]);
  });

  it("says who else must approve when one is not enough", async () => {
    const review = { ...APPROVAL.review, missing: [{ group: "leads", count: 1 }] };
    controlPlane.route(`POST ${PATH}/approve`, () => ({ body: { ...APPROVAL, review } }));
    expect((await shell.run(["approvals", "approve", "9f3c21aa", "--yes"])).stdout).toBe(
      "your approval of 9f3c21aa (execute_sql at shop) counts; it still needs 1 of leads\n",
    );
  });

  it("prints nothing but JSON on standard output, and asks all the same", async () => {
    const { stdout, stderr } = await shell.run(["approvals", "approve", "9f3c21aa", "--json"], {
      answers: ["y"],
    });
    expect(JSON.parse(stdout)).toMatchObject({ id: APPROVAL.id, state: "approved" });
    expect(stderr).toContain("update orders");
  });

  it("asks nobody about what is decided already", async () => {
    waits(approvalOf({ state: "denied" }));
    const { code, stderr } = await shell.run(["approvals", "approve", "9f3c21aa"], { answers: ["y"] });
    expect({ code, stderr }).toEqual({
      code: EXIT.failure,
      stderr: "error: 9f3c21aa (execute_sql at shop) is denied already\n",
    });
  });

  it.each([
    ["own_request", EXIT.notPermitted],
    ["not_a_reviewer", EXIT.notPermitted],
    ["already_voted", EXIT.failure],
    ["requester_absent", EXIT.failure],
  ] as const)("passes on why it is refused: %s", async (code, exitCode) => {
    controlPlane.route(`POST ${PATH}/approve`, () => problem(code, "because of that"));
    const result = await shell.run(["approvals", "approve", "9f3c21aa", "--yes"]);
    expect(result).toMatchObject({ code: exitCode, stdout: "" });
    expect(result.stderr).toMatch(/error: because of that\n$/);
  });

  it("names each place of an edit that cannot be", async () => {
    controlPlane.route(`POST ${PATH}/approve`, () =>
      problem("edit_invalid", "the edits do not fit", [
        { path: "edits./sql", message: "there is no such argument" },
      ]),
    );
    const { stderr } = await shell.run(["approvals", "approve", "9f3c21aa", "--yes", "--set", "/sql=1"]);
    expect(stderr).toMatch(/error: the edits do not fit\n {2}edits\.\/sql: there is no such argument\n$/);
  });

  it("says how to sign in again where nobody can be asked", async () => {
    controlPlane.route(`POST ${PATH}/approve`, () => problem("sign_in_again", "your sign-in is too old"));
    const { code, stderr } = await shell.run(["approvals", "approve", "9f3c21aa", "--yes"]);
    expect(code).toBe(EXIT.notSignedIn);
    expect(stderr).toMatch(/too old\n {2}sign in again \(drawbridge login\) and repeat it\n$/);
    const refused = await shell.run(["approvals", "approve", "9f3c21aa", "--yes"], { answers: ["n"] });
    expect(refused.code).toBe(EXIT.notSignedIn);
    expect(controlPlane.seen("POST ")).toHaveLength(2);
  });
});

describe("approvals deny and revoke", () => {
  it.each([
    ["deny", "--comment", "comment", "denied"],
    ["revoke", "--reason", "reason", "revoked"],
  ])("%s says why", async (verb, option, field, state) => {
    controlPlane.route(`POST ${PATH}/${verb}`, () => ({ body: { ...APPROVAL, state } }));
    const { stdout } = await shell.run(["approvals", verb, "9f3c21aa", option, "not now"]);
    expect(stdout).toBe(`9f3c21aa (execute_sql at shop) is ${state}\n`);
    expect(controlPlane.seen("POST ")[0]?.body).toEqual({ [field]: "not now" });
    const json = await shell.run(["approvals", verb, "9f3c21aa", option, "not now", "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ state });
    expect((await shell.run(["approvals", verb, "9f3c21aa"])).code).toBe(EXIT.usage);
  });
});

describe("approvals watch", () => {
  /** Watches until standard output or standard error says `last`, then presses Ctrl-C. */
  async function watch(steps: readonly [says: string, then: () => void][], ...options: string[]) {
    const interrupt = new AbortController();
    const rest = [...steps];
    const seen = { text: "" };
    const react = (text: string): void => {
      seen.text += text;
      const [step] = rest;
      if (step === undefined || !seen.text.includes(step[0])) return;
      seen.text = "";
      rest.shift();
      step[1]();
      if (rest.length === 0) interrupt.abort();
    };
    const result = await shell.run(["approvals", "watch", ...options], {
      signal: interrupt.signal,
      onNotice: react,
      onOutput: react,
    });
    return { ...result, unreached: rest.map(([says]) => says) };
  }

  it("shows what waits already, what comes, and what others decide, once each over broken connections", async () => {
    const second = approvalOf({ id: idOf("5ec0d000"), name: "drop_table", mayDecide: false });
    const result = await watch([
      [
        "to decide: drawbridge approvals approve 9f3c21aa",
        () => {
          waits(second, APPROVAL);
          controlPlane.events.happens({ kind: "approval.requested", subject: APPROVAL.id });
          controlPlane.events.cut();
          controlPlane.events.happens({ kind: "approval.requested", subject: second.id });
        },
      ],
      [
        "── 5ec0d000 (drop_table at shop)",
        () =>
          controlPlane.events.happens({
            kind: "approval.denied",
            subject: APPROVAL.id,
            data: { name: "execute_sql", target: "shop", by: "bob", comment: "no\u001b[2J\nno" },
          }),
      ],
      ["is denied by bob", () => {}],
    ]);
    expect(result).toMatchObject({ code: EXIT.ok, stderr: "", unreached: [] });
    expect(result.stdout.match(/── 9f3c21aa/g)).toHaveLength(1);
    expect(result.stdout.match(/── 5ec0d000/g)).toHaveLength(1);
    expect(result.stdout).toContain(
      String.raw`22:31:04  9f3c21aa (execute_sql at shop) is denied by bob: no\x1b[2J\nno`,
    );
    expect(result.stdout).not.toContain("approve 5ec0d000");
    expect(controlPlane.events.connections.map(({ after, kinds }) => [after, kinds])).toEqual([
      [null, "approval.*"],
      ["c1", "approval.*"],
    ]);
  });

  it.each([
    ["approval.consumed", { by: "alice" }, "was sent to its target"],
    ["approval.voted", { by: "bob", verdict: "approve" }, "has a vote (approve) of bob"],
    ["approval.expired", { by: "system" }, "is expired"],
    ["approval.revoked", { by: "admin", comment: "wrong table" }, "is revoked by admin: wrong table"],
  ] as const)("tells of %s", async (kind, data, says) => {
    const result = await watch([
      ["to decide:", () => controlPlane.events.happens({ kind, subject: APPROVAL.id, data })],
      ["22:31:04", () => {}],
    ]);
    expect(result.stdout).toMatch(/\n22:31:04 {2}9f3c21aa \(an operation at a target\) .*\n$/);
    expect(result.stdout).toContain(`${says}\n`);
  });

  it("prints a JSON value a line", async () => {
    const result = await watch(
      [
        [
          '"type":"pending"',
          () => controlPlane.events.happens({ kind: "approval.approved", subject: APPROVAL.id }),
        ],
        ['"approval.approved"', () => {}],
      ],
      "--json",
    );
    const lines = result.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect(lines).toMatchObject([
      { type: "pending", approval: { id: APPROVAL.id, preview: APPROVAL.preview } },
      { type: "event", cursor: "c1", kind: "approval.approved", subject: APPROVAL.id },
    ]);
  });

  it("goes on when the control plane cannot answer for a moment", async () => {
    let tries = 0;
    controlPlane.route(`GET ${PATH}`, () => {
      tries += 1;
      return tries === 1 ? problem("database_unavailable", "later") : { body: APPROVAL };
    });
    const result = await watch([["to decide:", () => {}]]);
    expect(result).toMatchObject({ code: EXIT.ok, unreached: [] });
    expect(tries).toBe(2);
  });

  it("looks again when events were lost", async () => {
    controlPlane.events.greeting = { type: "gap", cursor: "c0", says: "events were forgotten" };
    const result = await watch([["to decide:", () => {}]]);
    expect(result.stderr).toBe("events were forgotten\n");
  });

  it("says that nothing waits, and tells only of what it may not read", async () => {
    waits();
    controlPlane.route(`GET ${PATH}`, () => problem("approval_not_found", "not for you"));
    const result = await watch([
      [
        "nothing waits",
        () =>
          controlPlane.events.happens({
            kind: "approval.requested",
            subject: APPROVAL.id,
            data: { method: "tools/call", target: "shop" },
          }),
      ],
      ["is requested", () => {}],
    ]);
    expect(result.stdout).toBe("22:31:04  9f3c21aa (tools/call at shop) is requested\n");
  });

  it("ends with its exit code when it may not listen", async () => {
    controlPlane.events.refusal = { status: 403, body: "" };
    expect((await shell.run(["approvals", "watch"])).code).toBe(EXIT.notPermitted);
  });
});
