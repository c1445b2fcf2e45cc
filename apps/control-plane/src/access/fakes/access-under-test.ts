import type { AccessRequestView, GrantView, Problem, Role } from "@drawbridge/contracts";
import { startTestApi, type TestApi } from "../../fakes/index.js";
import type { Principal } from "../../identity/index.js";
import { Clock } from "../../platform/clock.js";
import { startTestPlatform, type TestPlatform } from "../../platform/fakes/test-platform.js";
import { LiveTargets } from "../../targets/index.js";
import { AccessModule } from "../index.js";

/** What was asked for, or what is wrong with the question. */
export interface Answer<Body> {
  readonly status: number;
  readonly body: Body & Partial<Problem>;
}

/** The REST API of access on a real Postgres, with a clock that a test moves. */
export interface AccessUnderTest {
  readonly platform: TestPlatform;
  readonly api: TestApi;
  now(): Date;
  advance(milliseconds: number): void;
  send<Body>(as: string, method: string, path: string, body?: unknown): Promise<Answer<Body>>;
  /** A person of these groups who has just signed in. Whoever is not named is nobody. */
  person(name: string, groups: readonly string[], said?: Partial<Principal>): void;
  /** Registers a target; resolves with its id. */
  target(name: string): Promise<string>;
  /** Puts a policy for engineers at these targets into force; `access` is YAML flow. */
  policy(name: string, target: string, access: string): Promise<void>;
  ask(as: string, asked: object): Promise<Answer<AccessRequestView>>;
  review(as: string, id: string, verdict?: "approve" | "deny"): Promise<Answer<AccessRequestView>>;
  request(id: string, as?: string): Promise<AccessRequestView>;
  grant(id: string | null, as?: string): Promise<GrantView>;
  /** The acts that the audit log tells of, in their order. */
  acts(subject: string | null): Promise<string[]>;
  /** And those that were told live. */
  events(subject: string | null): Promise<string[]>;
  /** Jobs for later. */
  putOff(): readonly { readonly name: string; readonly subject: string; readonly delayMs: number }[];
  stop(): Promise<void>;
}

const SIGNED_IN_ROLES: Record<string, Role[]> = {
  root: ["user", "admin"],
  olga: ["user", "operator"],
  audrey: ["user", "auditor"],
};

/**
 * root is an admin, olga an operator, audrey an auditor, all of no group that a policy names. Each replica gets one
 * request after the other: only the database keeps those that come at once apart.
 */
export async function startAccessUnderTest(replicas = 1): Promise<AccessUnderTest> {
  const platform = await startTestPlatform({ DRAWBRIDGE_AGENT_LISTEN: "127.0.0.1:0" });
  const api = await startTestApi(platform, { imports: [AccessModule] });
  const apis = [api];
  while (apis.length < replicas) apis.push(await startTestApi(platform, { imports: [AccessModule] }));
  let ahead = 0;
  const now = () => new Date(Date.now() + ahead);
  for (const { app, tokens } of apis) {
    app.get(Clock, { strict: false }).now = now;
    for (const [name, roles] of Object.entries(SIGNED_IN_ROLES)) tokens.set(name, { roles });
  }
  const signedIn = new Map<string, Partial<Principal>>();
  const person: AccessUnderTest["person"] = (name, groups, said = {}) =>
    void signedIn.set(name, { groups, ...said });
  for (const [name, roles] of Object.entries(SIGNED_IN_ROLES)) person(name, [], { roles });

  let sent = 0;
  const send = async <Body>(as: string, method: string, path: string, body?: unknown) => {
    const said = signedIn.get(as);
    const replica = apis[(sent += 1) % apis.length] ?? api;
    if (said)
      replica.tokens.set(as, { signedInAt: now(), expiresAt: new Date(now().getTime() + 600_000), ...said });
    const response = await replica.fetch(as, `/api/v1/${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Body & Partial<Problem> };
  };
  const found = async <Body>(as: string, path: string): Promise<Body> => {
    const { status, body } = await send<Body>(as, "GET", path);
    if (status !== 200) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`);
    return body;
  };
  const told = async (table: "audit_event" | "live_event", column: string, subject: string | null) => {
    const { rows } = await platform.admin.query<{ act: string }>(
      `select ${column} as act from ${table} where subject = $1 order by id`,
      [subject],
    );
    return rows.map(({ act }) => act);
  };
  return {
    platform,
    api,
    now,
    advance: (milliseconds) => void (ahead += milliseconds),
    send,
    person,
    target: async (name) => {
      await send("root", "PUT", `targets/${name}`, {
        apiVersion: "drawbridge/v1",
        kind: "Target",
        metadata: { name },
        spec: { agentGroup: "lab", transport: { stdio: { command: "/usr/bin/server" } } },
      });
      const { rows } = await platform.admin.query<{ value: string }>("select value from authorization_epoch");
      const { value } = await api.app
        .get(LiveTargets, { strict: false })
        .atLeast(BigInt(rows[0]?.value ?? 0));
      return value.get(name)?.id ?? "";
    },
    policy: async (name, target, access) => {
      const source = `apiVersion: drawbridge/v1
kind: Policy
metadata: { name: ${name} }
spec:
  targets: { names: ["${target}"] }
  subjects: { groups: [engineering] }
  access: ${access}
  rules:
    - { name: all, tools: ["*"], effect: allow }
`;
      const { status, body } = await send("root", "PUT", `policies/${name}`, { source });
      if (status !== 200) throw new Error(JSON.stringify(body));
    },
    ask: (as, asked) => send(as, "POST", "access-requests", asked),
    review: (as, id, verdict = "approve") =>
      send(as, "POST", `access-requests/${id}/review`, {
        verdict,
        ...(verdict === "deny" ? { comment: "not today" } : {}),
      }),
    request: (id, as = "audrey") => found(as, `access-requests/${id}`),
    grant: (id, as = "audrey") => found(as, `grants/${id}`),
    acts: (subject) => told("audit_event", "action", subject),
    events: (subject) => told("live_event", "kind", subject),
    putOff: () => apis.flatMap(({ jobs }) => jobs.putOff),
    stop: async () => {
      for (const each of apis) await each.stop();
      await platform.stop();
    },
  };
}

/** One of dba agrees, within a quarter of an hour. */
export const REVIEWED =
  "{ mode: jit, activation: approval, maxDuration: 4h, review: { from: [{ group: dba, count: 1 }], expiresIn: 15m } }";
