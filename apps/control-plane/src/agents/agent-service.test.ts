import http2 from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentServiceClient, ConnectRequest, Isolation } from "@drawbridge/protocol";
import { credentials, status } from "@grpc/grpc-js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { AgentsService } from "./agents.service.js";
import { issueAgentCertificate, makeAuthority, readCertificateRequest } from "./certificates.js";
import { EnrolmentService } from "./enrolment.service.js";
import { FakeAgent, FakeStream, makeRequest } from "./fakes/fake-agent.js";
import { rawStream } from "./fakes/raw-stream.js";
import { ADMIN, SHORT_TIMINGS, startTestAgents, type TestAgents } from "./fakes/test-agents.js";
import { DEFAULT_TIMINGS } from "./link-timings.js";

let platform: TestPlatform;
let agents: TestAgents;
let count = 0;

beforeAll(async () => {
  platform = await startTestPlatform();
  agents = await startTestAgents(platform);
});
afterAll(async () => {
  await agents.stop();
  await platform.stop();
});

/** Joins past the limit of attempts per address. */
async function joined(group = "lab"): Promise<FakeAgent> {
  const address = `10.2.0.${(count += 1)}`;
  const { privateKey, request } = await makeRequest();
  const response = await agents.app.get(EnrolmentService).join(
    {
      token: await agents.token(group),
      certificateSigningRequest: request,
      sealingPublicKey: Buffer.alloc(32, 1),
      agentVersion: "0.1.0",
    },
    address,
  );
  return new FakeAgent(agents.address, { ...response, privateKey });
}

async function connectStatus(agent: FakeAgent): Promise<number> {
  return (await new FakeStream(agent.dial().connect()).ended()).code;
}

const stateOf = async (id: string) => (await agents.app.get(AgentsService).get(id)).state;
const audited = async (action: string, subject: string) =>
  (
    await platform.admin.query("select 1 from audit_event where action = $1 and subject = $2", [
      action,
      subject,
    ])
  ).rowCount;
/** As if the newest certificate had been issued a while ago. */
const age = (id: string) =>
  platform.admin.query(
    "update agent set certificate_ends_at = certificate_ends_at - interval '5 minutes' where id = $1",
    [id],
  );

describe("connecting", () => {
  test("welcomes an agent, tells the terms and answers its pings", async () => {
    const agent = await joined();
    const stream = new FakeStream(agent.dial().connect());
    stream.send({
      $case: "hello",
      value: { agentVersion: "9.9.9", features: ["stdio"], isolation: 2, keptSessions: [] },
    });
    const welcome = await stream.next("welcome");
    expect(welcome).toEqual({
      agentId: agent.id,
      epoch: 1,
      pingIntervalMs: SHORT_TIMINGS.pingInterval,
      permissionMs: SHORT_TIMINGS.permission,
      maxMessageBytes: platform.config.maxMessageBytes,
    });
    stream.send({ $case: "ping", value: { sequence: 41 } });
    expect(await stream.next("pong")).toEqual({ sequence: 41 });
    expect(await agents.app.get(AgentsService).get(agent.id)).toMatchObject({
      connected: true,
      version: "9.9.9",
      features: ["stdio"],
      isolation: "uid",
    });
    agent.close();
  });

  test("keeps the terms that agents are built for", () => {
    expect(DEFAULT_TIMINGS).toMatchObject({ pingInterval: 5_000, permission: 15_000, firstFrame: 5_000 });
  });

  test("refuses a connection without a certificate", async () => {
    const trust = credentials.createSsl(Buffer.from(await agents.bundle()));
    const client = new AgentServiceClient(agents.address, trust, {
      "grpc.ssl_target_name_override": "localhost",
    });
    expect((await new FakeStream(client.connect()).ended()).code).toBe(status.UNAUTHENTICATED);
    expect((await new FakeStream(client.session()).ended()).code).toBe(status.UNAUTHENTICATED);
    const renewal = await new Promise<number | undefined>((resolve) => {
      client.renewCertificate({ certificateSigningRequest: Buffer.alloc(0) }, (error) =>
        resolve(error?.code),
      );
    });
    expect(renewal).toBe(status.UNAUTHENTICATED);
    client.close();
  });

  test("reads no more than a small request of a connection without a certificate", async () => {
    const trust = credentials.createSsl(Buffer.from(await agents.bundle()));
    const client = new AgentServiceClient(agents.address, trust, {
      "grpc.ssl_target_name_override": "localhost",
    });
    const code = await new Promise<number | undefined>((resolve) => {
      const certificateSigningRequest = Buffer.alloc(128 * 1024);
      client.renewCertificate({ certificateSigningRequest }, (error) => resolve(error?.code));
    });
    expect(code).toBe(status.RESOURCE_EXHAUSTED);
    client.close();
  });

  test("refuses a certificate of another authority, whatever name it bears", async () => {
    const agent = await joined();
    const now = new Date();
    const foreign = await makeAuthority("Drawbridge agents", now, new Date(now.getTime() + 86_400_000));
    const { request, privateKey } = await makeRequest();
    const publicKey = await readCertificateRequest(request);
    if (!publicKey) throw new Error("the request was not read");
    const { chain } = await issueAgentCertificate(foreign, { id: agent.id, publicKey }, now);
    const impostor = agent.with({ proof: { certificateChain: chain, privateKey } });
    expect(await connectStatus(impostor)).toBe(status.UNAUTHENTICATED);
    expect(await stateOf(agent.id)).toBe("active");
    impostor.close();
  });

  test("ends a stream that says no hello", async () => {
    const agent = await joined();
    expect(await connectStatus(agent)).toBe(status.DEADLINE_EXCEEDED);
    agent.close();
  });

  test("ends a stream that says something else first", async () => {
    const agent = await joined();
    const stream = new FakeStream(agent.dial().connect());
    stream.send({ $case: "ping", value: { sequence: 1 } });
    expect((await stream.ended()).code).toBe(status.INVALID_ARGUMENT);
    agent.close();
  });

  test("ends a stream that cannot be decoded, also while it is being answered", async () => {
    const agent = await joined();
    const { call, status: ended } = rawStream(agent.dial(), "connect");
    const hello = { agentVersion: "1", features: [], isolation: Isolation.NONE, keptSessions: [] };
    const frames = [
      ConnectRequest.encode({ frame: { $case: "hello", value: hello } }).finish(),
      ConnectRequest.encode({ frame: { $case: "ping", value: { sequence: 1 } } }).finish(),
      Buffer.of(0x0f),
    ];
    for (const frame of frames) call.write(frame);
    expect((await Promise.race([ended, sleep(5_000)]))?.code).toBe(status.UNAVAILABLE);
    expect(agents.links.find(agent.id)).toBeUndefined();
    agent.close();
  });

  test("lets the newest connection win", async () => {
    const agent = await joined();
    const old = await agent.connect();
    const young = await agent.connect();
    expect((await old.control.ended()).code).toBe(status.ABORTED);
    expect(young.epoch).toBe(old.epoch + 1);
    expect(agents.links.find(agent.id)?.epoch).toBe(young.epoch);
    agent.close();
  });

  test("ends a connection that falls silent", async () => {
    const agent = await joined("quiet");
    const connection = await agent.connect();
    connection.pingEvery(200);
    await sleep(SHORT_TIMINGS.permission + SHORT_TIMINGS.slack + 300);
    expect(agents.links.isOnline("quiet")).toBe(true);
    connection.stopPinging();
    expect((await connection.control.ended()).code).toBe(status.UNAVAILABLE);
    expect(agents.links.isOnline("quiet")).toBe(false);
    agent.close();
  });

  test("gives its connections the window of their streams", async () => {
    const agent = await joined();
    const { privateKey: key, certificateChain: cert } = agent.proof;
    const session = http2.connect(`https://${agents.address}`, { rejectUnauthorized: false, key, cert });
    const stream = session.request({
      ":method": "POST",
      ":path": "/drawbridge.agent.v1.AgentService/Connect",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => undefined);
    await new Promise((resolve) => stream.once("response", resolve));
    await new Promise<void>((resolve) => session.ping(() => resolve()));
    expect(session.remoteSettings.initialWindowSize).toBe(4 * 1024 * 1024);
    expect(session.state.remoteWindowSize).toBeGreaterThanOrEqual(4 * 1024 * 1024 - 1024);
    session.destroy();
    agent.close();
  });
});

describe("who may connect", () => {
  test("ends the connections of a removed agent at once and refuses its certificate", async () => {
    const agent = await joined();
    const connection = await agent.connect();
    await agents.app.get(AgentsService).remove(ADMIN, agent.id);
    expect((await connection.control.ended()).code).toBe(status.PERMISSION_DENIED);
    expect(await connectStatus(agent)).toBe(status.PERMISSION_DENIED);
    await expect(agent.renew()).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
    await agents.app.get(AgentsService).remove(ADMIN, agent.id);
    expect(await audited("agent.deleted", agent.id)).toBe(1);
    agent.close();
  });

  test("ends the connections of an agent that another replica removed, message or not", async () => {
    const agent = await joined();
    const connection = await agent.connect();
    await platform.admin.query("update agent set state = 'removed' where id = $1", [agent.id]);
    expect((await connection.control.ended()).code).toBe(status.PERMISSION_DENIED);
    agent.close();
  });

  test("keeps the old certificate valid until the next one is first used", async () => {
    const agent = await joined();
    const renewed = await agent.renew();
    const old = await agent.connect();
    const young = await renewed.connect();
    expect((await old.control.ended()).code).toBe(status.ABORTED);
    expect(young.epoch).toBe(old.epoch + 1);
    expect(await audited("agent.renewed", agent.id)).toBe(1);
    agent.close();
    renewed.close();
  });

  test("only refuses a certificate that was replaced a moment ago", async () => {
    const agent = await joined();
    const renewed = await agent.renew();
    await renewed.connect();
    expect(await connectStatus(agent)).toBe(status.UNAVAILABLE);
    expect(await stateOf(agent.id)).toBe("active");
    agent.close();
    renewed.close();
  });

  test("quarantines an agent whose replaced certificate is shown again, and everything of it ends", async () => {
    const agent = await joined();
    const renewed = await agent.renew();
    const connection = await renewed.connect();
    await age(agent.id);
    const stream = new FakeStream(agent.dial().connect());
    const { code, details } = await stream.ended();
    expect(code).toBe(status.PERMISSION_DENIED);
    expect(details).toContain("cloned or restored from a backup");
    expect((await connection.control.ended()).code).toBe(status.PERMISSION_DENIED);
    expect(await stateOf(agent.id)).toBe("quarantined");
    expect(await audited("agent.quarantined", agent.id)).toBe(1);
    expect(await connectStatus(renewed)).toBe(status.PERMISSION_DENIED);
    agent.close();
    renewed.close();
  });

  test("quarantines a clone that renews with a replaced certificate", async () => {
    const agent = await joined();
    const renewed = await agent.renew();
    await renewed.connect();
    await age(agent.id);
    await expect(agent.renew()).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
    expect(await stateOf(agent.id)).toBe("quarantined");
    agent.close();
    renewed.close();
  });

  test("refuses a renewal without a usable request", async () => {
    const agent = await joined();
    const code = await new Promise<number | undefined>((resolve) => {
      agent
        .dial()
        .renewCertificate({ certificateSigningRequest: Buffer.from("x") }, (error) => resolve(error?.code));
    });
    expect(code).toBe(status.INVALID_ARGUMENT);
    agent.close();
  });
});

describe("session streams", () => {
  test("refuses a stale epoch", async () => {
    const agent = await joined();
    const connection = await agent.connect();
    const stream = connection.attach("0192f0c1-0000-7000-8000-000000000001", { epoch: connection.epoch - 1 });
    expect((await stream.ended()).code).toBe(status.FAILED_PRECONDITION);
    agent.close();
  });

  test("refuses a session nobody asked for", async () => {
    const agent = await joined();
    const connection = await agent.connect();
    expect((await connection.attach("unasked").ended()).code).toBe(status.NOT_FOUND);
    expect((await connection.attach("unasked", { resumed: true }).ended()).code).toBe(status.NOT_FOUND);
    agent.close();
  });

  test("refuses a stream without an attach, and one that says something else first", async () => {
    const agent = await joined();
    const connection = await agent.connect();
    connection.pingEvery(200);
    const silent = new FakeStream(connection.client.session());
    const wrong = new FakeStream(connection.client.session());
    wrong.send({ $case: "stderr", value: { text: Buffer.from("x") } });
    expect((await wrong.ended()).code).toBe(status.INVALID_ARGUMENT);
    expect((await silent.ended()).code).toBe(status.DEADLINE_EXCEEDED);
    agent.close();
  });

  test("refuses a frame above the limit", async () => {
    const agent = await joined();
    const connection = await agent.connect();
    const stream = new FakeStream(connection.client.session());
    stream.send({
      $case: "stderr",
      value: { text: Buffer.alloc(platform.config.maxMessageBytes + 65 * 1024) },
    });
    expect((await stream.ended()).code).toBe(status.RESOURCE_EXHAUSTED);
    agent.close();
  });
});
