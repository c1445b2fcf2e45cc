import { createServer } from "node:tls";
import { once } from "node:events";
import { chmod, readFile, stat } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { temporaryState } from "../fakes/agent-under-test.js";
import { FakeCertificateAuthority } from "../fakes/certificate-authority.js";
import { FakeControlPlane } from "../fakes/fake-control-plane.js";
import { leafOf, privateKeyOf } from "./identity.js";
import { join } from "./join.js";
import { parseJoinToken } from "./join-token.js";
import { StateDirectory } from "./state-directory.js";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function startControlPlane(authority?: FakeCertificateAuthority): Promise<FakeControlPlane> {
  const controlPlane = await FakeControlPlane.start(authority ? { authority } : {});
  closers.push(() => controlPlane.stop());
  return controlPlane;
}

async function newState(): Promise<StateDirectory> {
  const { state, remove } = await temporaryState();
  closers.push(remove);
  return state;
}

describe("join", () => {
  test("trades the token for an identity whose key never left this host", async () => {
    const controlPlane = await startControlPlane();
    const state = await newState();
    const token = controlPlane.invite();

    const identity = await join({
      token: parseJoinToken(token),
      enrolment: controlPlane.address,
      controlPlane: [controlPlane.address],
      state,
    });

    expect(identity).toMatchObject({ agentId: "agent-1", agentName: "edge", agentGroup: "lab" });
    expect(leafOf(identity.certificateChain).checkPrivateKey(privateKeyOf(identity))).toBe(true);
    expect(await state.load()).toEqual({ format: 1, ...identity });
    const [request] = controlPlane.joins;
    expect(request?.token).toBe(token.slice(0, token.lastIndexOf(".")));
    expect(request?.sealingPublicKey.length).toBe(32);
  });

  test("keeps the identity from everybody else", async () => {
    const controlPlane = await startControlPlane();
    const state = await newState();
    await join({
      token: parseJoinToken(controlPlane.invite()),
      enrolment: controlPlane.address,
      controlPlane: [controlPlane.address],
      state,
    });
    const file = path.join(state.path, "identity.json");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(state.path)).mode & 0o777).toBe(0o700);

    await chmod(file, 0o644);
    await expect(state.load()).rejects.toThrow("can be read by other users");
  });

  test("sends no token to a server whose CA has another fingerprint", async () => {
    const genuine = await startControlPlane();
    const impostor = await startControlPlane();
    const state = await newState();
    const joining = join({
      token: parseJoinToken(genuine.invite()),
      enrolment: impostor.address,
      controlPlane: [impostor.address],
      state,
    });
    await expect(joining).rejects.toThrow("its CA has another fingerprint");
    expect(impostor.joins).toEqual([]);
    expect(await state.hasIdentity()).toBe(false);
  });

  test("sends no token to a server that shows the right CA beside a certificate it did not sign", async () => {
    const genuine = await startControlPlane();
    const other = await FakeCertificateAuthority.create(genuine.authority.certificate.subject);
    const { privateKey, chain } = await other.issueServerCertificate();
    const leafOnly = chain.slice(0, chain.indexOf("-----END CERTIFICATE-----") + 25);
    const server = createServer({
      key: privateKey,
      cert: `${leafOnly}\n${genuine.authority.pem}`,
      ALPNProtocols: ["h2"],
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closers.push(async () => void server.close());
    let bytesReceived = 0;
    server.on("secureConnection", (socket) =>
      socket.on("data", (data: Buffer) => (bytesReceived += data.length)),
    );

    const address = { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
    const state = await newState();
    const joining = join({
      token: parseJoinToken(genuine.invite()),
      enrolment: address,
      controlPlane: [address],
      state,
    });
    await expect(joining).rejects.toThrow(/fingerprint|not signed by the CA/);
    expect(bytesReceived).toBe(0);
  });

  test("says that a used token is used, and leaves nothing behind", async () => {
    const controlPlane = await startControlPlane();
    const token = parseJoinToken(controlPlane.invite());
    const options = { token, enrolment: controlPlane.address, controlPlane: [controlPlane.address] };
    await join({ ...options, state: await newState() });

    const state = await newState();
    await expect(join({ ...options, state })).rejects.toThrow("already used or expired: make another");
    expect(await state.hasIdentity()).toBe(false);
  });

  test("says where nobody listens", async () => {
    const controlPlane = await startControlPlane();
    await controlPlane.stop();
    const joining = join({
      token: parseJoinToken(controlPlane.invite()),
      enrolment: controlPlane.address,
      controlPlane: [controlPlane.address],
      state: await newState(),
    });
    await expect(joining).rejects.toThrow(
      `cannot reach a control plane at ${controlPlane.addressText}: ECONNREFUSED`,
    );
  });
});

describe("the stored identity", () => {
  test("is replaced whole", async () => {
    const controlPlane = await startControlPlane();
    const state = await newState();
    const identity = await join({
      token: parseJoinToken(controlPlane.invite()),
      enrolment: controlPlane.address,
      controlPlane: [controlPlane.address],
      state,
    });
    await state.save({ ...identity, agentName: "renamed" });
    const stored = JSON.parse(await readFile(path.join(state.path, "identity.json"), "utf8")) as object;
    expect(stored).toMatchObject({ agentName: "renamed", privateKey: identity.privateKey });
  });

  test("is none where the agent never joined", async () => {
    expect(await new StateDirectory("/nonexistent/agent").load()).toBeUndefined();
  });
});

describe("parseJoinToken", () => {
  test.each([
    "",
    "drawbridge-join-v1.abc",
    `drawbridge-join-v2.${"a".repeat(32)}.${"0".repeat(64)}`,
    "a.b.c",
  ])("refuses %j", (text) => {
    expect(() => parseJoinToken(text)).toThrow("this is not a join token");
  });
});
