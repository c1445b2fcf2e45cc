import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { connect, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { status } from "@grpc/grpc-js";
import { startTestPlatform, type TestPlatform } from "../platform/fakes/test-platform.js";
import { CertificateAuthority } from "./certificate-authority.js";
import { EnrolmentService } from "./enrolment.service.js";
import { callJoin, makeRequest } from "./fakes/fake-agent.js";
import { ADMIN, startTestAgents, type TestAgents } from "./fakes/test-agents.js";
import { JoinTokensService } from "./join-tokens.service.js";

let platform: TestPlatform;
let agents: TestAgents;
let nextAddress = 0;

beforeAll(async () => {
  platform = await startTestPlatform();
  agents = await startTestAgents(platform);
});
afterAll(async () => {
  await agents.stop();
  await platform.stop();
});

/** Joins from an address of its own, so that the limit per address does not matter. */
async function join(token: string, changes: { request?: Buffer; sealingPublicKey?: Buffer } = {}) {
  const address = (nextAddress += 1);
  return agents.app.get(EnrolmentService).join(
    {
      token,
      certificateSigningRequest: changes.request ?? (await makeRequest()).request,
      sealingPublicKey: changes.sealingPublicKey ?? Buffer.alloc(32, 1),
      agentVersion: "0.1.0",
    },
    `10.1.${address >> 8}.${address & 255}`,
  );
}

const rows = async (sql: string, values: unknown[] = []) =>
  (await platform.admin.query(sql, values)).rows as unknown[];

describe("joining", () => {
  test("gives a certificate of 24 hours for the agent's key and an identity the server chose", async () => {
    const { request, privateKey } = await makeRequest();
    const answer = await callJoin(agents.address, await agents.bundle(), {
      token: await agents.token("eu-west", "rack-1"),
      request,
    });
    expect(answer).toMatchObject({ agentName: "rack-1", agentGroup: "eu-west" });
    const leaf = new X509Certificate(answer.certificateChain);
    const authority = new X509Certificate(answer.caBundle);
    expect(leaf.checkIssued(authority) && leaf.verify(authority.publicKey)).toBe(true);
    expect(leaf.checkPrivateKey(createPrivateKey(privateKey))).toBe(true);
    expect(leaf.subjectAltName).toBe(`URI:drawbridge://agent/${answer.agentId}`);
    expect(leaf.subject).not.toContain("root");
    expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
    const minutes = (leaf.validToDate.getTime() - leaf.validFromDate.getTime()) / 60_000;
    expect(minutes).toBeCloseTo(24 * 60 + 1, 0);
    expect(leaf.ca).toBe(false);
  });

  test("makes a name up where the token has none", async () => {
    const { agentName } = await join(await agents.token("lab"));
    expect(agentName).toMatch(/^lab-[0-9a-f]{10}$/);
  });

  test("takes an Ed25519 key", async () => {
    const { request } = await makeRequest({ name: "Ed25519" });
    await expect(join(await agents.token("lab"), { request })).resolves.toMatchObject({ agentGroup: "lab" });
  });

  test("lets exactly one of eight concurrent joins use a token", async () => {
    const token = await agents.token("lab");
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => join(token)));
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(1);
    const codes = outcomes.flatMap((outcome) =>
      outcome.status === "rejected" ? [(outcome.reason as { code: number }).code] : [],
    );
    expect(codes).toEqual(Array.from({ length: 7 }, () => status.UNAUTHENTICATED));
  });

  test("records that a used token was shown again", async () => {
    const token = await agents.token("lab");
    await join(token);
    await expect(join(token)).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
    const [refusal] = await rows(
      `select a.details from audit_event a join join_token t on t.id::text = a.subject
       where a.action = 'join_token.refused' and t.token_hash = $1`,
      [createHash("sha256").update(token).digest()],
    );
    expect(refusal).toMatchObject({ details: { used: true } });
  });

  test("refuses an expired token", async () => {
    const token = await agents.token("lab");
    await platform.admin.query(
      "update join_token set expires_at = now() - interval '1 second' where token_hash = $1",
      [createHash("sha256").update(token).digest()],
    );
    await expect(join(token)).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
  });

  test("refuses a revoked token", async () => {
    const tokens = agents.app.get(JoinTokensService);
    const { id, token } = await tokens.create(ADMIN, { group: "lab", expiresInSeconds: 600 });
    await tokens.revoke(ADMIN, id);
    await expect(join(token.slice(0, token.lastIndexOf(".")))).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
    });
  });

  test.each<[string, () => Promise<{ request?: Buffer; sealingPublicKey?: Buffer }>]>([
    ["no request", async () => ({ request: Buffer.alloc(0) })],
    ["rubbish", async () => ({ request: Buffer.from("rubbish") })],
    ["a P-384 key", async () => makeRequest({ name: "ECDSA", namedCurve: "P-384" } as never)],
    [
      "a signature of another key",
      async () => {
        const { request } = await makeRequest();
        request[request.length - 1] = (request.at(-1) ?? 0) ^ 1;
        return { request };
      },
    ],
    ["a short sealing key", async () => ({ sealingPublicKey: Buffer.alloc(31) })],
  ])("refuses %s, and the token is used up", async (_, make) => {
    const token = await agents.token("lab");
    await expect(join(token, await make())).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    await expect(join(token)).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
  });

  test("refuses a name that another agent has, unless that one was removed", async () => {
    const [first, second] = [await agents.token("lab", "twin"), await agents.token("lab", "twin")];
    const { agentId } = await join(first);
    await expect(join(second)).rejects.toMatchObject({ code: status.ALREADY_EXISTS });
    await platform.admin.query("update agent set state = 'removed' where id = $1", [agentId]);
    await expect(join(await agents.token("lab", "twin"))).resolves.toMatchObject({ agentName: "twin" });
  });

  test("keeps no token, only its hash", async () => {
    const token = await agents.token("lab");
    const secret = token.slice("drawbridge-join-v1.".length);
    const stored =
      JSON.stringify(await rows("select * from join_token")) +
      JSON.stringify(await rows("select * from audit_event"));
    expect(stored).not.toContain(secret);
    expect(
      await rows("select 1 from join_token where token_hash = $1", [
        createHash("sha256").update(token).digest(),
      ]),
    ).toHaveLength(1);
  });

  test("limits the attempts of one address", async () => {
    const startedAt = performance.now();
    const codes: number[] = [];
    for (let count = 0; count < 12; count += 1) {
      const attempt = callJoin(agents.address, await agents.bundle(), { token: "drawbridge-join-v1.wrong" });
      codes.push(await attempt.then(() => status.OK).catch((error: { code: number }) => error.code));
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const tried = codes.filter((code) => code === status.UNAUTHENTICATED).length;
    expect(tried).toBeLessThanOrEqual(5 + seconds);
    expect(codes.filter((code) => code === status.RESOURCE_EXHAUSTED)).toHaveLength(12 - tried);
  });
});

describe("the listener", () => {
  async function handshake(options: object = {}): Promise<TLSSocket> {
    const [host, port] = agents.address.split(":");
    const socket = connect({
      host,
      port: Number(port),
      ALPNProtocols: ["h2"],
      rejectUnauthorized: false,
      ...options,
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve);
      socket.once("error", reject);
    });
    return socket;
  }

  test("shows the authority whose fingerprint is in the token", async () => {
    const socket = await handshake();
    const { issuerCertificate } = socket.getPeerCertificate(true);
    socket.destroy();
    const fingerprint = createHash("sha256").update(issuerCertificate.raw).digest("hex");
    const { token } = await agents.app
      .get(JoinTokensService)
      .create(ADMIN, { group: "lab", expiresInSeconds: 600 });
    expect(token.endsWith(`.${fingerprint}`)).toBe(true);
    expect(fingerprint).toBe(await agents.app.get(CertificateAuthority).fingerprint());
  });

  test("speaks TLS 1.3 and nothing older", async () => {
    const socket = await handshake();
    expect(socket.getProtocol()).toBe("TLSv1.3");
    socket.destroy();
    await expect(handshake({ maxVersion: "TLSv1.2" })).rejects.toThrow(/alert/);
  });
});

describe("the certificate authority", () => {
  test("is made once, whoever starts at the same time", async () => {
    await platform.admin.query("delete from certificate_authority");
    const replicas = await Promise.all([startTestAgents(platform), startTestAgents(platform)]);
    const prints = await Promise.all(replicas.map(({ app }) => app.get(CertificateAuthority).fingerprint()));
    await Promise.all(replicas.map((replica) => replica.stop()));
    expect(prints[0]).toBe(prints[1]);
    expect(await rows("select 1 from certificate_authority")).toHaveLength(1);
  });

  test("keeps its key sealed", async () => {
    const [row] = (await rows("select sealed_key from certificate_authority")) as { sealed_key: Buffer }[];
    expect(row?.sealed_key.toString("latin1")).not.toContain("PRIVATE");
    await agents.app.get(CertificateAuthority).reload();
  });

  test("rotates in two steps, a day apart, and then signs with the next one while both are trusted", async () => {
    const authority = agents.app.get(CertificateAuthority);
    await authority.reload();
    const before = await authority.fingerprint();
    await expect(authority.rotate("ada")).resolves.toBe("prepared");
    expect((await authority.bundle()).match(/BEGIN/g)).toHaveLength(2);
    expect(await authority.fingerprint()).toBe(before);
    await expect(authority.rotate("ada")).resolves.toBe("too_early");
    await platform.admin.query(
      "update certificate_authority set created_at = now() - interval '26 hours' where state = 'next'",
    );
    await expect(authority.rotate("ada")).resolves.toBe("promoted");
    expect(await authority.fingerprint()).not.toBe(before);
    expect((await authority.bundle()).match(/BEGIN/g)).toHaveLength(2);
  });
});
