import type { BacktestLine } from "@drawbridge/contracts";
import { toolCall } from "@drawbridge/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { GatewayUnderTest, PATIENT } from "./fakes/gateway-under-test.js";

const POLICY = `
apiVersion: drawbridge/v1
kind: Policy
metadata: { name: engineers }
spec:
  targets: { names: [shop] }
  subjects: { groups: [engineering] }
  access: { mode: standing }
  rules:
    - { name: all, tools: [execute_sql], effect: allow }
`;
const STRICTER = POLICY.replace("tools: [execute_sql]", 'tools: [execute_sql], when: "sql.readOnly"');

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start(POLICY);
  const commands = [{ tool: "execute_sql", argument: "sql", dialect: "postgresql" }];
  await gateway.applyTarget("shop", [{ name: "execute_sql" }], commands);
});
afterAll(() => gateway.stop());

async function backtest(source: string): Promise<BacktestLine[]> {
  const response = await fetch(`${gateway.config.publicUrl}/api/v1/policies/backtest`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${await gateway.identity.issueToken({ username: "admin", resource: "api" })}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ candidates: [source], from: new Date(Date.now() - 3_600_000).toISOString() }),
  });
  const text = await response.text();
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as BacktestLine);
}

test(
  "what the gateway recorded can be decided by other policies, and tells whom they affect",
  PATIENT,
  async () => {
    const session = await gateway.openSession("shop");
    for (const [id, sql] of ["select 1", "drop table orders", "select 'password=hunter2hunter2'"].entries())
      await gateway.post("shop", toolCall(id + 10, "execute_sql", { sql }), { session });
    await gateway.post("shop", toolCall(20, "unheard_of", {}), { session });

    const lines = await backtest(STRICTER);
    const changed = lines.flatMap((line) => (line.line === "changed" ? [line] : []));
    expect(changed).toMatchObject([
      { name: "execute_sql", was: "allow", wasRule: "engineers/all", now: "deny", uncertain: false },
    ]);
    expect(lines.at(-1)).toMatchObject({
      line: "summary",
      operations: 4,
      changed: 1,
      uncertain: 1,
      unreadable: 0,
    });

    const loses = POLICY.replace("execute_sql", "other");
    const { body } = await gateway.api("POST", "policies/engineers/plan", { source: loses });
    expect(body).toMatchObject({ affectedCount: 1, considered: 1, openSessions: 1 });
    expect(body["affected"]).toMatchObject([{ target: "shop", gains: [], loses: ["execute_sql"] }]);
  },
);
