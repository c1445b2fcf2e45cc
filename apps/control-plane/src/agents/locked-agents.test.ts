import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { TargetDefinition } from "@drawbridge/protocol";
import { status } from "@grpc/grpc-js";
import { LiveLocks } from "../locks/index.js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { AgentsService } from "./agents.service.js";
import { EnrolmentService } from "./enrolment.service.js";
import { FakeAgent, FakeStream, makeRequest } from "./fakes/fake-agent.js";
import { FakeListener } from "./fakes/fake-listener.js";
import { startTestAgents, type TestAgents } from "./fakes/test-agents.js";

const definition: TargetDefinition = {
  name: "shop",
  transport: {
    $case: "stdio",
    value: {
      command: "/usr/bin/shop",
      arguments: [],
      workingDirectory: "",
      environment: {},
      limits: undefined,
    },
  },
  exchangeTimeoutMs: 1_000,
  idleTimeoutMs: 0,
};
// A second is promised; the machine that runs the tests may have much else to do.
const A_SECOND = 1_500;

let platform: TestPlatform;
let agents: TestAgents;
beforeAll(async () => {
  platform = await startTestPlatform();
  agents = await startTestAgents(platform);
});
afterAll(async () => {
  await agents.stop();
  await platform.stop();
});
afterEach(async () => {
  await platform.admin.query("delete from lock");
});

let joins = 0;
/** From an address of its own: attempts are counted by it. */
async function join(name: string): Promise<FakeAgent> {
  const { privateKey, request } = await makeRequest();
  const response = await agents.app.get(EnrolmentService).join(
    {
      token: await agents.token("lab", name),
      certificateSigningRequest: request,
      sealingPublicKey: Buffer.alloc(32, 1),
      agentVersion: "0.1.0",
    },
    `10.4.0.${(joins += 1)}`,
  );
  return new FakeAgent(agents.address, { ...response, privateKey });
}

async function lock(name: string, expiresAt?: Date): Promise<void> {
  await platform.admin.query(
    `insert into lock (id, kind, subject, reason, created_by, expires_at)
     values (gen_random_uuid(), 'agent', $1, 'it was stolen – really', 'olga', $2)`,
    [name, expiresAt ?? null],
  );
}

const nameOf = async ({ id }: FakeAgent) => (await agents.app.get(AgentsService).get(id)).name;
const refusal = (agent: FakeAgent) => new FakeStream(agent.dial().connect()).ended();
const eventsOf = async (name: string) => {
  const { rows } = await platform.admin.query<{ kind: string }>(
    "select kind from live_event where subject = $1 order by id",
    [name],
  );
  return rows.map(({ kind }) => kind);
};

test("an agent that is locked is let go within a second, with all that runs there", async () => {
  const agent = await join("stolen");
  const connection = await agent.connect();
  const sessionId = randomUUID();
  const listener = new FakeListener();
  const [stream] = await Promise.all([
    connection.serveNext(),
    agents.links.open({ sessionId, group: "lab", definition, era: "legacy", listener }),
  ]);
  const start = performance.now();
  await lock(await nameOf(agent));
  expect(await connection.control.ended()).toMatchObject({
    code: status.UNAVAILABLE,
    details: "this agent is locked: it was stolen ? really",
  });
  expect(performance.now() - start).toBeLessThan(A_SECOND);
  expect(connection.control.received).toContainEqual({
    $case: "closeSession",
    value: { sessionId, reason: "the agent is locked" },
  });
  await stream.ended();
  expect(listener.heard).toContain("ended the agent is locked");
  expect(agents.links.find(agent.id)).toBeUndefined();
});

test("an agent that is locked may neither connect nor renew, and may both when it is unlocked", async () => {
  const agent = await join("locked-out");
  await lock("locked-out");
  expect(await refusal(agent)).toMatchObject({ code: status.UNAVAILABLE });
  await expect(agent.renew()).rejects.toMatchObject({ code: status.UNAVAILABLE });
  await platform.admin.query("update lock set released_at = now()");
  const renewed = await agent.renew();
  await renewed.connect();
  renewed.close();
});

test("a lock that is over keeps no agent out", async () => {
  const agent = await join("over");
  await lock("over", new Date(Date.now() - 1_000));
  const connection = await agent.connect();
  expect(agents.links.find(agent.id)).toBeDefined();
  connection.cut();
});

test("whoever joins under a locked name is locked, too", async () => {
  const first = await join("twice");
  await lock("twice");
  await platform.admin.query("update agent set state = 'removed' where id = $1", [first.id]);
  const second = await join("twice");
  expect(await refusal(second)).toMatchObject({ code: status.UNAVAILABLE });
});

test("an agent that is locked in the very moment in which it connects does not stay", async () => {
  const agent = await join("quick");
  const locks = agents.app.get(LiveLocks);
  const ofAgentNamed = locks.ofAgentNamed.bind(locks);
  let asked = 0;
  // Between being admitted and being among those that are looked through.
  locks.ofAgentNamed = async (name, at) => {
    const found = await ofAgentNamed(name, at);
    if ((asked += 1) === 1) await lock("quick");
    return found;
  };
  try {
    const connection = await agent.connect();
    expect(await connection.control.ended()).toMatchObject({ code: status.UNAVAILABLE });
  } finally {
    locks.ofAgentNamed = ofAgentNamed;
  }
});

test("that an agent comes and goes is told to those who may see agents", async () => {
  const agent = await join("told");
  const connection = await agent.connect();
  await expect.poll(() => eventsOf("told")).toEqual(["agent.connected"]);
  const another = await agent.connect();
  await expect.poll(() => eventsOf("told")).toEqual(["agent.connected", "agent.connected"]);
  await connection.control.ended();
  another.cut();
  await expect.poll(() => eventsOf("told")).toContain("agent.disconnected");
  expect(await eventsOf("told")).toHaveLength(3);
  const { rows } = await platform.admin.query("select * from live_event where subject = 'told' limit 1");
  expect(rows).toMatchObject([
    {
      permission: "agent:read",
      principals: [],
      groups: [],
      data: { id: agent.id, name: "told", group: "lab" },
    },
  ]);
});

test("that an agent is quarantined is told in the transaction that does it", async () => {
  const agent = await join("cloned");
  const renewed = await agent.renew();
  (await renewed.connect()).cut();
  await platform.admin.query(
    "update agent set certificate_ends_at = certificate_ends_at - interval '5 minutes' where id = $1",
    [agent.id],
  );
  expect(await refusal(agent)).toMatchObject({ code: status.PERMISSION_DENIED });
  expect(await eventsOf("cloned")).toContain("agent.quarantined");
});
