import { randomUUID } from "node:crypto";
import type { ApprovalDetail, ApprovalView } from "@drawbridge/contracts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApi, type TestApi } from "../fakes/index.js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import type { OperationToHold } from "./approvals.js";
import { asking, operation, toolCall } from "./fakes/held-operations.js";
import { Approvals, ApprovalsModule } from "./index.js";

let platform: TestPlatform;
let api: TestApi;
let approvals: Approvals;

beforeAll(async () => {
  platform = await startTestPlatform({ DRAWBRIDGE_AGENT_LISTEN: "127.0.0.1:0" });
  api = await startTestApi(platform, { imports: [ApprovalsModule] });
  approvals = api.app.get(Approvals);
  approvals.setJudge(() => Promise.resolve({ effect: "allow" }));
  const reviewer = { groups: ["dba"], signedInAt: new Date() };
  api.tokens.set("alice", { identities: ["sub:alice", "email:alice@example.test"], signedInAt: new Date() });
  api.tokens.set("bob", reviewer);
  api.tokens.set("carol", { ...reviewer, signedInAt: new Date(0) });
  api.tokens.set("robot", { ...reviewer, isMachine: true });
  api.tokens.set("owner", { identities: ["sub:owner", "email:alice@example.test"] });
  api.tokens.set("eve", { groups: ["sales"] });
  api.tokens.add("olga", "operator");
});
afterAll(async () => {
  await api.stop();
  await platform.stop();
});

async function get<Body = ApprovalDetail>(as: string, path: string): Promise<{ status: number; body: Body }> {
  const response = await api.fetch(as, `/api/v1/approvals${path}`);
  return { status: response.status, body: (await response.json()) as Body };
}

async function post(as: string, path: string, said: unknown) {
  const response = await api.fetch(as, `/api/v1/approvals/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(said),
  });
  return { status: response.status, body: (await response.json()) as ApprovalView & { code?: string } };
}

const list = (as: string, query = "") => get<{ items: ApprovalView[]; nextCursor?: string }>(as, query);
const ids = ({ body }: { body: { items: ApprovalView[] } }) => body.items.map(({ id }) => id);
const hold = (said: Partial<OperationToHold> = {}) => approvals.hold(operation(said));

describe("approvals over REST", () => {
  test("are shown to who asked, their owner, who is asked, and who may read all; to others they do not exist", async () => {
    const { id } = await hold();
    for (const [as, may] of Object.entries({
      alice: false,
      bob: true,
      carol: true,
      robot: false,
      owner: false,
      olga: false,
    })) {
      expect(await get(as, `/${id}`)).toMatchObject({ status: 200, body: { id, mayDecide: may } });
      expect(ids(await list(as))).toContain(id);
    }
    expect(await get("eve", `/${id}`)).toMatchObject({ status: 404, body: { code: "approval_not_found" } });
    expect(ids(await list("eve"))).toEqual([]);
    for (const [act, said] of [
      ["approve", {}],
      ["deny", { comment: "no" }],
      ["revoke", { reason: "no" }],
    ] as const)
      expect(await post("eve", `${id}/${act}`, said)).toMatchObject({
        status: 404,
        body: { code: "approval_not_found" },
      });
  });

  test("show what would run masked, who decides, and who else must approve", async () => {
    const { id, expiresAt } = await hold(asking({ group: "dba", count: 2 }));
    const { body } = await get("bob", `/${id}`);
    expect(body).toMatchObject({
      state: "pending",
      principal: "alice",
      email: "alice@example.test",
      target: "shop",
      method: "tools/call",
      name: "run",
      rule: "ask-before-writing",
      expiresAt: expiresAt.toISOString(),
      requesterPresent: true,
      preview: '{"name":"run","arguments":{"sql":"[masked]"}}',
      review: { from: [{ group: "dba", count: 2 }], missing: [{ group: "dba", count: 2 }], votes: [] },
    });
    const said = { comment: "fine, but less", edits: { "/limit": 1 } };
    expect(await post("bob", `${id}/approve`, said)).toMatchObject({
      status: 200,
      body: { state: "pending", edited: true },
    });
    const { body: after } = await get("carol", `/${id}`);
    expect(after).toMatchObject({
      mayDecide: true,
      review: {
        missing: [{ count: 1 }],
        votes: [{ principal: "bob", comment: "fine, but less", counts: true }],
      },
    });
    expect(after.editedPreview).toContain('"limit":1');
    expect(await get("bob", `/${id}`)).toMatchObject({ body: { mayDecide: false } });
  });

  test.each([
    ["alice", 403, "own_request"],
    ["owner", 403, "own_request"],
    ["robot", 403, "machine_cannot_review"],
    ["carol", 403, "sign_in_again"],
    ["olga", 403, "not_a_reviewer"],
  ])("are not approved by %s", async (as, status, code) => {
    const { id } = await hold();
    expect(await post(as, `${id}/approve`, {})).toMatchObject({ status, body: { code } });
    expect(await get("bob", `/${id}`)).toMatchObject({ body: { state: "pending" } });
  });

  test("are denied with a comment, also after an old sign-in, and once", async () => {
    const { id } = await hold();
    expect(await post("carol", `${id}/deny`, {})).toMatchObject({
      status: 400,
      body: { code: "invalid_request" },
    });
    expect(await post("carol", `${id}/deny`, { comment: "no" })).toMatchObject({
      status: 200,
      body: { state: "denied", decidedBy: "carol", comment: "no", mayDecide: false },
    });
    expect(await post("bob", `${id}/approve`, {})).toMatchObject({
      status: 409,
      body: { code: "already_decided" },
    });
  });

  test("are revoked by an operator", async () => {
    const { id } = await hold();
    await post("bob", `${id}/approve`, { sessionUses: 2 });
    expect(await post("olga", `${id}/revoke`, { reason: "a mistake" })).toMatchObject({
      status: 200,
      body: { state: "revoked", endReason: "a mistake", sessionUses: 2, decidedBy: "bob" },
    });
  });

  test("whose caller has left are not approved", async () => {
    const { id } = await hold();
    await platform.admin.query("UPDATE approval SET present_until = now() WHERE id = $1", [id]);
    expect(await post("bob", `${id}/approve`, {})).toMatchObject({
      status: 409,
      body: { code: "requester_absent" },
    });
    expect(await get("bob", `/${id}`)).toMatchObject({
      body: { state: "cancelled", requesterPresent: false },
    });
  });

  test("with edits that cannot be made say why", async () => {
    const { id } = await hold();
    expect(await post("bob", `${id}/approve`, { edits: { "/nothing": 1 } })).toMatchObject({
      status: 422,
      body: { code: "edit_invalid", problems: [{ path: "/nothing" }] },
    });
    expect(await post("bob", `${id}/approve`, { edits: { sql: 1 } })).toMatchObject({ status: 400 });
  });

  test("come in pages, by state, target and whose they are", async () => {
    const mine = { ...operation().principal, id: "zoe", identities: ["sub:zoe"] };
    api.tokens.add("zoe");
    const held: string[] = [];
    for (let count = 0; count < 5; count++) held.unshift((await hold({ principal: mine })).id);
    await approvals.cancel(held[0] ?? "", "gone");
    const first = await list("zoe", "?limit=3");
    expect(ids(first)).toEqual(held.slice(0, 3));
    expect(ids(await list("zoe", `?limit=3&cursor=${first.body.nextCursor}`))).toEqual(held.slice(3));
    expect(ids(await list("zoe", "?state=pending&mine=true"))).toEqual(held.slice(1));
    expect(ids(await list("zoe", "?target=other"))).toEqual([]);
    expect(ids(await list("olga", "?mine=true"))).toEqual([]);
    expect(await get("zoe", "?cursor=x")).toMatchObject({ status: 400, body: { code: "invalid_cursor" } });
    expect(await get("zoe", `/${randomUUID()}`)).toMatchObject({ status: 404 });
  });
});

describe("a thousand held operations", () => {
  test("are listed in well under half a second, beside a long history", async () => {
    await platform.admin.query(
      `INSERT INTO approval (id, session_id, exchange, principal, identities, oauth_client, target_id, target_name,
         method, name, requested_digest, sealed, preview, policy, policy_version, rule, reason, review, state,
         expires_at, present_until)
       SELECT ('01900000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, gen_random_uuid(), 1, 'p' || n % 50, ARRAY['sub:p' || n % 50], 'c', gen_random_uuid(),
         'shop', 'tools/call', 'run', sha256(n::text::bytea), NULL, 'x', 'p', 1, 'r', 'because',
         jsonb_build_object('from', jsonb_build_array(jsonb_build_object('group', 'g' || n % 20, 'count', 1)), 'expiresIn', '15m'),
         'expired', now(), now()
       FROM generate_series(1, 20000) AS n`,
    );
    const message = toolCall(`{"sql":"${"x".repeat(10_000)}"}`);
    const held = Array.from({ length: 1_000 }, (_, index) =>
      operation({ message, principal: { ...operation().principal, id: `caller-${index % 50}` } }),
    );
    const begunAll = performance.now();
    await Promise.all(held.map((each) => approvals.hold(each)));
    console.info("ms to hold a thousand operations:", Math.round(performance.now() - begunAll));
    await platform.admin.query("ANALYZE approval");
    const figures: Record<string, number> = {};
    for (const [as, query] of [
      ["bob", "?state=pending&limit=100"],
      ["bob", "?limit=50"],
      ["olga", "?state=pending&limit=100"],
      ["eve", "?state=pending"],
      ["eve", ""],
    ] as const) {
      const times: number[] = [];
      for (let round = 0; round < 15; round++) {
        const begun = performance.now();
        const { status, body } = await list(as, query);
        times.push(performance.now() - begun);
        expect(status).toBe(200);
        expect(body.items.length).toBe(as === "eve" ? 0 : Number(query.slice(-3).replace("=", "")));
      }
      figures[`${as} ${query}`] = Math.round(times.toSorted((a, b) => a - b)[7] ?? 0);
    }
    console.info("median ms to list approvals:", figures);
    for (const median of Object.values(figures)) expect(median).toBeLessThan(500);
  }, 120_000);
});
