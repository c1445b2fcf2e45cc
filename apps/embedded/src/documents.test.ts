import { TargetDocument } from "@drawbridge/contracts";
import { parsePolicy, unenforceable } from "@drawbridge/policy";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { demoAllowList } from "./demo.js";
import { demoPolicies, demoTargets } from "./documents.js";

const values = {
  NODE: "/opt/node",
  DBHUB: "/opt/dbhub.js",
  SHOP_DSN: 'postgres://x:"y: ${Z}"@127.0.0.1/shop',
  FILESYSTEM_SERVER: "/opt/files.js",
  DEMO_FILES: "/srv/files",
  EVERYTHING_URL: "http://127.0.0.1:8083/mcp",
};

describe("the demo's documents", () => {
  test("are targets that the REST API accepts, with values that cannot change their structure", async () => {
    const targets = await demoTargets(values);
    const parsed = targets.map(({ name, document }) => ({ name, target: TargetDocument.parse(document) }));
    expect(parsed.map(({ name, target }) => [name, target.metadata.name])).toEqual([
      ["everything", "everything"],
      ["files", "files"],
      ["shop", "shop"],
    ]);
    expect(parsed[2]?.target.spec.transport).toEqual({
      stdio: {
        command: "/opt/node",
        arguments: ["/opt/dbhub.js", "--transport", "stdio"],
        environment: { DSN: values.SHOP_DSN },
      },
    });
  });

  test("name what the agent's allow-list allows, and the list allows nothing else", async () => {
    const wanted = (await demoTargets(values)).map(
      ({ document }) => TargetDocument.parse(document).spec.transport,
    );
    const allow = demoAllowList(values);
    const commands = wanted.flatMap((transport) => ("stdio" in transport ? [transport.stdio] : []));
    expect(
      commands.map((stdio) => ({
        command: stdio.command,
        arguments: stdio.arguments,
        environment: Object.keys(stdio.environment),
      })),
    ).toEqual(expect.arrayContaining(allow.commands.map((rule) => ({ environment: [], ...rule }))));
    expect(commands).toHaveLength(allow.commands.length);
    expect(wanted.flatMap((transport) => ("http" in transport ? [transport.http.url] : []))).toEqual(
      allow.urls,
    );
  });

  test("are policies under their own names that this version enforces", async () => {
    const policies = await demoPolicies();
    expect(policies.length).toBeGreaterThan(2);
    for (const { name, source } of policies) {
      const parsed = parsePolicy(parse(source));
      if (!parsed.ok) throw new Error(`${name}: ${JSON.stringify(parsed.problems)}`);
      expect(parsed.policy.metadata.name).toBe(name);
      expect(unenforceable(parsed.policy, new Set(["condition", "limits", "approval", "jit"]))).toEqual([]);
    }
  });

  test("refuse a value that nobody gave", async () => {
    await expect(demoTargets({})).rejects.toThrow(/nobody gave \$\{EVERYTHING_URL\} a value/);
  });
});
