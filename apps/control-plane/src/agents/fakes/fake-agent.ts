import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import {
  AgentServiceClient,
  type ConnectRequest,
  type ConnectResponse,
  EnrolmentServiceClient,
  Isolation,
  type JoinResponse,
  type SessionRequest,
  type SessionResponse,
} from "@drawbridge/protocol";
import { type ClientDuplexStream, credentials, type StatusObject } from "@grpc/grpc-js";
import { exportKey } from "../certificates.js";

const OPTIONS = {
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  "grpc.use_local_subchannel_pool": 1,
  // Node refuses an IP address as the name in a handshake.
  "grpc.ssl_target_name_override": "localhost",
};
const WAIT_MS = 8_000;

export interface KeysAndRequest {
  readonly privateKey: string;
  readonly request: Buffer;
}

/** A fresh key and a PKCS #10 request for it. */
export async function makeRequest(
  algorithm: webcrypto.EcKeyGenParams | webcrypto.Algorithm = { name: "ECDSA", namedCurve: "P-256" },
): Promise<KeysAndRequest> {
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, [
    "sign",
    "verify",
  ])) as webcrypto.CryptoKeyPair;
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: ["agent root"] }],
    keys,
    signingAlgorithm: { name: algorithm.name, hash: "SHA-256" },
  });
  return { privateKey: await exportKey(keys.privateKey), request: Buffer.from(request.rawData) };
}

/** What an agent proves itself with. */
export interface Proof {
  readonly agentId: string;
  readonly privateKey: string;
  readonly certificateChain: string;
  readonly caBundle: string;
}

export interface JoinFields {
  readonly token: string;
  readonly request?: Buffer;
  readonly sealingPublicKey?: Buffer;
}

/** Calls Join over TLS without a client certificate. */
export async function callJoin(address: string, caBundle: string, fields: JoinFields): Promise<JoinResponse> {
  const client = new EnrolmentServiceClient(address, credentials.createSsl(Buffer.from(caBundle)), OPTIONS);
  try {
    return await new Promise((resolve, reject) => {
      client.join(
        {
          token: fields.token,
          certificateSigningRequest: fields.request ?? Buffer.alloc(0),
          sealingPublicKey: fields.sealingPublicKey ?? Buffer.alloc(32, 7),
          agentVersion: "0.1.0",
        },
        (error, response) => (error ? reject(error) : resolve(response)),
      );
    });
  } finally {
    client.close();
  }
}

/** A minimal agent: it speaks the protocol and leaves every decision to the test. */
export class FakeAgent {
  readonly proof: Proof;
  readonly #address: string;
  readonly #clients: AgentServiceClient[] = [];

  constructor(address: string, proof: Proof) {
    this.#address = address;
    this.proof = proof;
  }

  static async join(address: string, caBundle: string, token: string): Promise<FakeAgent> {
    const { privateKey, request } = await makeRequest();
    const response = await callJoin(address, caBundle, { token, request });
    return new FakeAgent(address, { ...response, privateKey });
  }

  get id(): string {
    return this.proof.agentId;
  }

  /** The same agent at another address, or with another certificate. */
  with(changes: { address?: string; proof?: Partial<Proof> }): FakeAgent {
    return new FakeAgent(changes.address ?? this.#address, { ...this.proof, ...changes.proof });
  }

  /** A channel of its own. */
  dial(): AgentServiceClient {
    const { caBundle, privateKey, certificateChain } = this.proof;
    const proof = credentials.createSsl(
      Buffer.from(caBundle),
      Buffer.from(privateKey),
      Buffer.from(certificateChain),
    );
    const client = new AgentServiceClient(this.#address, proof, OPTIONS);
    this.#clients.push(client);
    return client;
  }

  /** Says hello and waits for the welcome. */
  async connect(
    keptSessions: readonly string[] = [],
    features = ["stdio", "tool-pinning"],
  ): Promise<FakeConnection> {
    const client = this.dial();
    const control = new FakeStream<ConnectRequest, ConnectResponse>(client.connect());
    control.send({
      $case: "hello",
      value: {
        agentVersion: "0.1.0",
        features,
        isolation: Isolation.NONE,
        keptSessions: [...keptSessions],
      },
    });
    const { epoch } = await control.next("welcome");
    return new FakeConnection(client, control, epoch);
  }

  async renew(): Promise<FakeAgent> {
    const { privateKey, request } = await makeRequest();
    const client = this.dial();
    const response = await new Promise<{ certificateChain: string; caBundle: string }>((resolve, reject) => {
      client.renewCertificate({ certificateSigningRequest: request }, (error, answer) =>
        error ? reject(error) : resolve(answer),
      );
    });
    return this.with({ proof: { ...response, privateKey } });
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}

export class FakeConnection {
  readonly client: AgentServiceClient;
  readonly control: FakeStream<ConnectRequest, ConnectResponse>;
  readonly epoch: number;
  readonly #sessions: FakeSession[] = [];
  #pinging: NodeJS.Timeout | undefined;

  constructor(
    client: AgentServiceClient,
    control: FakeStream<ConnectRequest, ConnectResponse>,
    epoch: number,
  ) {
    this.client = client;
    this.control = control;
    this.epoch = epoch;
    void control.status.then(() => clearInterval(this.#pinging));
  }

  pingEvery(ms: number): this {
    let sequence = 0;
    this.#pinging = setInterval(
      () => this.control.send({ $case: "ping", value: { sequence: (sequence += 1) } }),
      ms,
    );
    return this;
  }

  stopPinging(): void {
    clearInterval(this.#pinging);
  }

  /** Dials a session stream and says which session it is for. */
  attach(sessionId: string, { resumed = false, epoch = this.epoch } = {}): FakeSession {
    const stream: FakeSession = new FakeStream(this.client.session());
    this.#sessions.push(stream);
    stream.send({ $case: "attach", value: { sessionId, epoch, resumed } });
    return stream;
  }

  /** Does what an agent does when it is asked for a session. */
  async serveNext(): Promise<FakeSession> {
    const { sessionId } = await this.control.next("openSession");
    const stream = this.attach(sessionId);
    await stream.next("open");
    return stream;
  }

  /** The connection breaks. */
  cut(): void {
    this.stopPinging();
    for (const { call } of [this.control, ...this.#sessions]) call.cancel();
    this.client.close();
  }
}

export type FakeSession = FakeStream<SessionRequest, SessionResponse>;

type FrameOf<Message extends { frame: unknown }> = NonNullable<Message["frame"]>;
type ValueOf<Frame, Case extends string> = Frame extends { $case: Case; value: infer Value } ? Value : never;

/** One stream from the agent's end: what came is queued until the test asks for it. */
export class FakeStream<
  Out extends { frame: { $case: string; value: unknown } | undefined },
  In extends { frame: { $case: string; value: unknown } | undefined },
> {
  readonly call: ClientDuplexStream<Out, In>;
  readonly status: Promise<StatusObject>;
  readonly received: FrameOf<In>[] = [];

  constructor(call: ClientDuplexStream<Out, In>) {
    this.call = call;
    this.status = new Promise((resolve) => call.once("status", resolve));
    // What a test looks at is the status.
    call.on("error", () => undefined);
    call.on("data", (message: In) => this.received.push(message.frame as FrameOf<In>));
  }

  send(frame: FrameOf<Out>): void {
    this.call.write({ frame } as Out);
  }

  /** The next frame of this kind; others before it are dropped. */
  async next<Case extends FrameOf<In>["$case"]>(kind: Case): Promise<ValueOf<FrameOf<In>, Case>> {
    const until = performance.now() + WAIT_MS;
    let over: StatusObject | undefined;
    void this.status.then((status) => (over = status));
    while (performance.now() < until) {
      const index = this.received.findIndex(({ $case }) => $case === kind);
      if (index !== -1) return this.received.splice(0, index + 1).at(-1)?.value as ValueOf<FrameOf<In>, Case>;
      if (over) throw new Error(`the stream ended with ${over.code} ${over.details} before ${kind}`);
      await sleep(5);
    }
    throw new Error(`${kind} did not come`);
  }

  /** The status the stream ended with. */
  async ended(): Promise<StatusObject> {
    const late = sleep(WAIT_MS).then(() => Promise.reject(new Error("the stream did not end")));
    return Promise.race([this.status, late]);
  }
}
