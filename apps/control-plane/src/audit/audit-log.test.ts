import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApi, type TestApi } from "../fakes/index.js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { AuditLog, AuditModule } from "./index.js";

let platform: TestPlatform;
let api: TestApi;
let audit: AuditLog;

beforeAll(async () => {
  platform = await startTestPlatform();
  api = await startTestApi(platform, { imports: [AuditModule] });
  api.tokens.add("alice");
  api.tokens.add("audrey", "auditor");
  audit = api.app.get(AuditLog);
});
afterAll(async () => {
  await api.stop();
  await platform.stop();
});

interface Listed {
  items: { subject: string; details: unknown }[];
  nextCursor?: string;
}
const list = async (query = "") =>
  (await (await api.fetch("audrey", `/api/v1/audit-events${query}`)).json()) as Listed;

describe("the audit log", () => {
  test("records within a transaction only what the transaction commits", async () => {
    const entry = { actor: "bob", action: "policy.applied", details: { version: 2 } } as const;
    await platform.database.transaction((transaction) =>
      audit.record(transaction, { ...entry, subject: "kept" }),
    );
    await platform.database
      .transaction(async (transaction) => {
        await audit.record(transaction, { ...entry, subject: "undone" });
        throw new Error("the act failed");
      })
      .catch(() => undefined);
    expect((await list("?actor=bob")).items).toMatchObject([{ subject: "kept", details: { version: 2 } }]);
  });

  test("is read newest first, in pages, by action and subject", async () => {
    for (let n = 0; n < 5; n++) {
      await audit.record(undefined, { actor: "system", action: "agent.joined", subject: `a${n}` });
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const first = await list("?action=agent.joined&limit=3");
    expect(first.items.map(({ subject }) => subject)).toEqual(["a4", "a3", "a2"]);
    const second = await list(`?action=agent.joined&limit=3&cursor=${first.nextCursor}`);
    expect(second.items.map(({ subject }) => subject)).toEqual(["a1", "a0"]);
    expect(second.nextCursor).toBeUndefined();
    expect((await list("?subject=a3")).items).toHaveLength(1);
  });

  test("cannot be asked for names that nobody can have", async () => {
    expect((await api.fetch("audrey", "/api/v1/audit-events?actor=%00")).status).toBe(400);
    expect((await api.fetch("audrey", "/api/v1/audit-events?subject=a%00b")).status).toBe(400);
  });

  test("is closed to people without the permission", async () => {
    expect((await api.fetch("alice", "/api/v1/audit-events")).status).toBe(403);
    expect((await api.fetch("nobody", "/api/v1/audit-events")).status).toBe(401);
  });
});
