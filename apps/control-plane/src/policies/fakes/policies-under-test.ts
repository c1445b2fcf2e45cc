import { createHash } from "node:crypto";
import type { PolicyApplied, Problem } from "@drawbridge/contracts";
import { startTestApi, type TestApi } from "../../fakes/index.js";
import { startTestPlatform, type TestPlatform } from "../../platform/fakes/test-platform.js";
import { LiveTargets } from "../../targets/index.js";
import { ToolPins } from "../../tools/index.js";
import { PoliciesModule } from "../index.js";

/** What was asked for, or what is wrong with the question. */
export interface Answer<Body> {
  readonly status: number;
  readonly body: Body & Partial<Problem>;
}

export interface TestTarget {
  readonly labels?: Readonly<Record<string, string>>;
  readonly commands?: readonly { tool: string; argument: string; dialect: string }[];
  readonly tools?: readonly string[];
}

/** The REST API of policies on a real Postgres, with what a test puts there. */
export interface PoliciesUnderTest {
  readonly platform: TestPlatform;
  readonly api: TestApi;
  send<Body>(as: string, method: string, path: string, body?: unknown): Promise<Answer<Body>>;
  apply(name: string, source: string): Promise<Answer<PolicyApplied>>;
  /** Registers a target whose tools have been seen; resolves with its id. */
  target(name: string, target?: TestTarget): Promise<string>;
  stop(): Promise<void>;
}

/** root is an admin, olga an operator, audrey an auditor, paul an approver, alice nobody in particular. */
export async function startPoliciesUnderTest(): Promise<PoliciesUnderTest> {
  const platform = await startTestPlatform({ DRAWBRIDGE_AGENT_LISTEN: "127.0.0.1:0" });
  const api = await startTestApi(platform, { imports: [PoliciesModule] });
  api.tokens.add("root", "admin");
  api.tokens.add("olga", "operator");
  api.tokens.add("audrey", "auditor");
  api.tokens.add("paul", "approver");
  api.tokens.add("alice");

  const send = async <Body>(as: string, method: string, path: string, body?: unknown) => {
    const response = await api.fetch(as, `/api/v1/${path}`, {
      method,
      headers: { "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Body & Partial<Problem> };
  };
  const apply: PoliciesUnderTest["apply"] = (name, source) =>
    send("root", "PUT", `policies/${name}`, { source });
  const target: PoliciesUnderTest["target"] = async (
    name,
    { labels = {}, commands = [], tools = [] } = {},
  ) => {
    await send("root", "PUT", `targets/${name}`, {
      apiVersion: "drawbridge/v1",
      kind: "Target",
      metadata: { name, labels },
      spec: { agentGroup: "lab", transport: { stdio: { command: "/usr/bin/server" } }, commands },
    });
    const id = (await api.app.get(LiveTargets).atLeast(await epoch(platform))).value.get(name)?.id;
    if (!id) throw new Error(`target ${name} was not registered`);
    await api.app.get(ToolPins).observe(
      { id, name },
      tools.map((tool) => shown(tool)),
    );
    return id;
  };
  const stop = async () => {
    await api.stop();
    await platform.stop();
  };
  return { platform, api, send, apply, target, stop };
}

async function epoch({ admin }: TestPlatform): Promise<bigint> {
  const { rows } = await admin.query<{ value: string }>("select value from authorization_epoch");
  return BigInt(rows[0]?.value ?? 0);
}

/** A tool as its target shows it. */
export function shown(name: string, description = "") {
  const definition = Buffer.from(JSON.stringify({ name, description, inputSchema: { type: "object" } }));
  return { name, digest: createHash("sha256").update(definition).digest(), definition };
}

/** A policy for engineers at shop; `rules` is YAML, each line of it as deep as a rule stands. */
export function policyText(name: string, rules: string, spec = ""): string {
  return `apiVersion: drawbridge/v1
kind: Policy
metadata: { name: ${name} }
spec:
  targets: { names: [shop] }
  subjects: { groups: [engineering] }
${spec}  rules:
${rules}`;
}
