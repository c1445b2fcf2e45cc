import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApi, type TestApi } from "../fakes/index.js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { PoliciesModule } from "./index.js";
import { LivePolicies } from "./live-policies.js";

const POLICY = `apiVersion: drawbridge/v1
kind: Policy
metadata: { name: readers }
spec:
  targets: { names: [shop] }
  subjects: { groups: [engineering] }
  access: { mode: standing }
  rules:
    - name: read
      tools: [read]
      effect: allow
`;

let platform: TestPlatform;
let api: TestApi;
beforeAll(async () => {
  platform = await startTestPlatform();
  api = await startTestApi(platform, { imports: [PoliciesModule] });
  api.tokens.add("root", "admin");
  api.tokens.add("olga", "operator");
});
afterAll(async () => {
  await api.stop();
  await platform.stop();
});

async function apply(name: string, source: string, as = "root") {
  const response = await api.fetch(as, `/api/v1/policies/${name}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ source }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe("applying a policy", () => {
  test("makes a version, and the same document again makes none", async () => {
    expect((await apply("readers", POLICY)).body).toMatchObject({
      name: "readers",
      version: 1,
      changed: true,
    });
    expect((await apply("readers", `# a comment\n${POLICY}`)).body).toMatchObject({
      version: 1,
      changed: false,
    });
    expect((await apply("readers", POLICY.replace("[read]", "[read, look]"))).body).toMatchObject({
      version: 2,
    });
  });

  test("eight times at once makes one version each, none twice", async () => {
    const sources = Array.from({ length: 8 }, (_, index) =>
      POLICY.replace("readers", "crowd").replace("[read]", `[read, t${index}]`),
    );
    const answers = await Promise.all(sources.map((source) => apply("crowd", source)));
    const versions = answers.map(({ body }) => body["version"]);
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(new Set(versions).size).toBe(8);
  });

  test("moves the authorization epoch and is seen by who asks for that epoch", async () => {
    const live = api.app.get(LivePolicies);
    const before = await live.get();
    await apply("fresh", POLICY.replace("readers", "fresh"));
    const after = await live.atLeast(before.epoch + 1n);
    expect(after.epoch).toBeGreaterThan(before.epoch);
    expect(after.value).not.toBe(before.value);
  });

  test.each([
    ["a syntax error", `${POLICY}   - [`, "policy_invalid", 12],
    ["an unknown key", POLICY.replace("effect: allow", "efect: allow"), "policy_invalid", 9],
    ["a key twice", `${POLICY}      effect: deny\n`, "policy_invalid", 12],
    ["a fact that there is not", `${POLICY}      when: sql.readonly\n`, "policy_invalid", 12],
    ["a condition that is none", `${POLICY}      when: sql.readOnly &&\n`, "policy_invalid", 12],
    [
      "a condition of several lines",
      `${POLICY}      when: |\n        sql.readOnly &&\n        args\n`,
      "policy_invalid",
      12,
    ],
    [
      "an allow that goes by what a target says of itself",
      `${POLICY}      when: tool.annotations.readOnlyHint == true\n`,
      "policy_invalid",
      12,
    ],
    ["a pattern that is none", `${POLICY}      when: args.a.matches("(")\n`, "policy_invalid", 12],
    [
      "a condition on a grant where access is standing",
      `${POLICY}      when: grant.id != ""\n`,
      "policy_invalid",
      12,
    ],
    ["a limit of nothing", `${POLICY}      limits: { per: tool }\n`, "policy_invalid", 12],
    [
      "a masking profile, which is not built yet",
      `${POLICY}      mask: { profile: strict }\n`,
      "policy_not_enforceable",
      12,
    ],
    [
      "an approval that would be waited for too long",
      POLICY.replace(
        "effect: allow",
        "effect: require_approval\n      approval: { from: [{ group: dba, count: 1 }], expiresIn: 15d, onExpiry: deny }",
      ),
      "policy_invalid",
      12,
    ],
    [
      "access on request that nobody reviews",
      POLICY.replace("mode: standing", "mode: jit, activation: approval, maxDuration: 4h"),
      "policy_invalid",
      7,
    ],
  ])("refuses %s and names its place", async (_what, source, code, line) => {
    const { status, body } = await apply("readers", source);
    expect([status, body["code"]]).toEqual([422, code]);
    const problems = body["problems"] as { line?: number; message: string }[];
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.map((problem) => problem.line)).toContain(line);
  });

  test("takes approvals and access on request", async () => {
    const asking = POLICY.replace("mode: standing", "mode: jit, activation: self, maxDuration: 4h").replace(
      "effect: allow",
      "effect: require_approval\n      approval: { from: [{ group: dba, count: 1 }], expiresIn: 15m }",
    );
    const { status } = await apply("asking", asking.replace("name: readers", "name: asking"));
    expect(status).toBe(200);
  });

  test("refuses a document that names another policy, and YAML aliases", async () => {
    expect((await apply("other", POLICY)).body["code"]).toBe("policy_invalid");
    const bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
    expect((await apply("bomb", bomb)).body["code"]).toBe("policy_invalid");
  });

  test("needs an admin", async () => {
    expect((await apply("readers", POLICY, "olga")).body["code"]).toBe("not_permitted");
  });
});

test("a deleted policy is gone, its versions stay, and a new one counts on", async () => {
  await apply("short-lived", POLICY.replace("readers", "short-lived"));
  const remove = () => api.fetch("root", "/api/v1/policies/short-lived", { method: "DELETE" });
  expect([(await remove()).status, (await remove()).status]).toEqual([204, 204]);
  expect((await api.fetch("root", "/api/v1/policies/short-lived")).status).toBe(404);
  const versions = (await (await api.fetch("root", "/api/v1/policies/short-lived/versions")).json()) as {
    items: unknown[];
  };
  expect(versions.items).toHaveLength(1);
  expect((await apply("short-lived", POLICY.replace("readers", "short-lived"))).body["version"]).toBe(2);
});

test("lists page by page without losing one", async () => {
  const names: string[] = [];
  for (let cursor = ""; ;) {
    const response = await api.fetch("root", `/api/v1/policies?limit=1${cursor}`);
    const page = (await response.json()) as { items: { name: string }[]; nextCursor?: string };
    names.push(...page.items.map(({ name }) => name));
    if (!page.nextCursor) break;
    cursor = `&cursor=${page.nextCursor}`;
  }
  expect(names).toEqual([...new Set(names)].toSorted());
  expect(names).toContain("readers");
  expect((await api.fetch("root", "/api/v1/policies?cursor=bm8gc3VjaCBjdXJzb3I")).status).toBe(400);
});

describe("conditions and limits", () => {
  test("are applied", async () => {
    const source = `${POLICY}      when: sql.readOnly || args.limit < 10\n      limits: { calls: 5/m }\n`;
    expect((await apply("readers", source)).status).toBe(200);
  });
});

describe("one version", () => {
  const version = async (name: string, number: string, as = "olga") => {
    const response = await api.fetch(as, `/api/v1/policies/${name}/versions/${number}`);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  test("is there with its document, live or not, also of a policy that was deleted", async () => {
    const first = POLICY.replace("readers", "kept");
    await apply("kept", first);
    await apply("kept", first.replace("[read]", "[read, look]"));
    await api.fetch("root", "/api/v1/policies/kept", { method: "DELETE" });
    expect((await version("kept", "1")).body).toMatchObject({ version: 1, source: first, createdBy: "root" });
  });

  test.each([
    ["kept", "9", 404, "policy_not_found"],
    ["unheard-of", "1", 404, "policy_not_found"],
    ["kept", "0", 400, "invalid_request"],
    ["kept", "first", 400, "invalid_request"],
    ["kept", "2147483648", 400, "invalid_request"],
  ])("%s/%s is refused", async (name, number, status, code) => {
    expect(await version(name, number)).toMatchObject({ status, body: { code } });
  });

  test("is for who may read policies", async () => {
    api.tokens.add("alice");
    expect((await version("kept", "1", "alice")).body["code"]).toBe("not_permitted");
  });
});
