import { createHash, type Hash, randomBytes } from "node:crypto";
import {
  AgentServiceService,
  type ConnectRequest,
  type ConnectRequest_Hello as Hello,
  type ConnectRequest_TargetHealth as TargetHealth,
  type ConnectResponse,
  EnrolmentServiceService,
  Era,
  type JoinRequest,
  type SessionRequest,
  type SessionRequest_Attach as Attach,
  type SessionRequest_ExchangeFailed as ExchangeFailed,
  type SessionRequest_MessageChunk as MessageChunk,
  type SessionRequest_ToolDefinitions as ToolDefinitions,
  type SessionResponse,
  type TargetDefinition,
} from "@drawbridge/protocol";
import { encodeMessage, eventually, type JsonRpcObject } from "@drawbridge/testing";
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import type { Address } from "../enrolment/address.js";
import { FakeCertificateAuthority } from "./certificate-authority.js";
import { waitFor } from "./wait-for.js";

type ControlCall = ServerDuplexStream<ConnectRequest, ConnectResponse>;
type SessionCall = ServerDuplexStream<SessionRequest, SessionResponse>;

export interface FakeControlPlaneOptions {
  readonly authority?: FakeCertificateAuthority;
  readonly port?: number;
  readonly pingIntervalMs?: number;
  readonly permissionMs?: number;
  readonly maxMessageBytes?: number;
  readonly certificateLifeMs?: number;
}

/** A control plane as an agent sees it: real gRPC, real TLS, everything else in memory and in the hands of the test. */
export class FakeControlPlane {
  readonly authority: FakeCertificateAuthority;
  readonly options: FakeControlPlaneOptions;
  readonly joins: JoinRequest[] = [];
  readonly connections: FakeConnection[] = [];
  readonly sessions = new Map<string, FakeSession>();
  answersPings = true;
  renewals = 0;
  /** How an attach is refused; undefined: it is not. */
  refuseAttach: status | undefined;
  refuseConnect: status | undefined;
  readonly #server = new Server({ "grpc-node.flow_control_window": 1024 * 1024 });
  readonly #tokens = new Set<string>();
  readonly #serials = new Set<string>();
  #port = 0;

  static async start(options: FakeControlPlaneOptions = {}): Promise<FakeControlPlane> {
    const authority = options.authority ?? (await FakeCertificateAuthority.create());
    const controlPlane = new FakeControlPlane(authority, options);
    await controlPlane.#listen();
    return controlPlane;
  }

  private constructor(authority: FakeCertificateAuthority, options: FakeControlPlaneOptions) {
    this.authority = authority;
    this.options = options;
  }

  get address(): Address {
    return { host: "127.0.0.1", port: this.#port };
  }

  get addressText(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** A token good for one join. */
  invite(): string {
    const secret = `drawbridge-join-v1.${randomBytes(24).toString("base64url")}`;
    this.#tokens.add(secret);
    return `${secret}.${this.authority.fingerprint}`;
  }

  /** A control plane that restarted remembers who its agents are. */
  knowAgentsOf(other: FakeControlPlane): void {
    for (const serial of other.#serials) this.#serials.add(serial);
  }

  /** The newest connection that is up. */
  connection(): Promise<FakeConnection> {
    return waitFor(() => this.connections.findLast((connection) => connection.isUp));
  }

  async openSession(
    definition: TargetDefinition,
    { id = randomBytes(8).toString("hex"), era = Era.LEGACY }: { id?: string; era?: Era } = {},
  ): Promise<FakeSession> {
    const connection = await this.connection();
    const session = new FakeSession(id, definition, era);
    this.sessions.set(id, session);
    connection.send({ $case: "openSession", value: { sessionId: id } });
    await eventually(() => session.isAttached);
    return session;
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.forceShutdown();
      resolve();
    });
  }

  async #listen(): Promise<void> {
    this.#server.addService(EnrolmentServiceService, {
      join: (call: ServerUnaryCall<JoinRequest, unknown>, callback: sendUnaryData<never>) => {
        void this.#join(call.request, callback);
      },
    });
    this.#server.addService(AgentServiceService, {
      renewCertificate: (
        call: ServerUnaryCall<{ certificateSigningRequest: Buffer }, unknown>,
        callback: sendUnaryData<never>,
      ) => {
        this.renewals += 1;
        void this.#issue(call.request.certificateSigningRequest).then((issued) =>
          callback(null, issued as never),
        );
      },
      connect: (call: ControlCall) => this.#connect(call),
      session: (call: SessionCall) => this.#session(call),
    });
    const { privateKey, chain } = await this.authority.issueServerCertificate();
    const credentials = ServerCredentials.createSsl(
      Buffer.from(this.authority.pem),
      [{ private_key: Buffer.from(privateKey), cert_chain: Buffer.from(chain) }],
      true,
    );
    // Who joins has no certificate yet: it is asked for and not required.
    Object.assign(credentials._getConstructorOptions() ?? {}, { rejectUnauthorized: false });
    this.#port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${this.options.port ?? 0}`, credentials, (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
  }

  async #join(request: JoinRequest, callback: sendUnaryData<never>): Promise<void> {
    this.joins.push(request);
    if (!this.#tokens.delete(request.token)) {
      callback({ code: status.UNAUTHENTICATED, details: "unknown token" });
      return;
    }
    const issued = await this.#issue(request.certificateSigningRequest);
    callback(null, { agentId: "agent-1", agentName: "edge", agentGroup: "lab", ...issued } as never);
  }

  async #issue(request: Buffer): Promise<{ certificateChain: string; caBundle: string }> {
    const leaf = await this.authority.issueAgentCertificate(
      request,
      this.options.certificateLifeMs ?? 3_600_000,
    );
    this.#serials.add(leaf.serialNumber.toLowerCase());
    return {
      certificateChain: `${leaf.toString("pem")}\n${this.authority.pem}`,
      caBundle: this.authority.pem,
    };
  }

  #isKnown(call: ControlCall | SessionCall): boolean {
    const certificate = call.getAuthContext().sslPeerCertificate;
    return certificate !== undefined && this.#serials.has(certificate.serialNumber.toLowerCase());
  }

  #connect(call: ControlCall): void {
    if (this.refuseConnect !== undefined || !this.#isKnown(call)) {
      call.emit("error", {
        code: this.refuseConnect ?? status.UNAUTHENTICATED,
        details: "unknown certificate",
      });
      return;
    }
    const connection = new FakeConnection(call, this, this.connections.length + 1);
    for (const older of this.connections) if (older.isUp) older.supersede();
    this.connections.push(connection);
  }

  #session(call: SessionCall): void {
    call.on("error", () => undefined);
    call.once("data", ({ frame }: SessionRequest) => {
      if (frame?.$case !== "attach") throw new Error("the first frame is not attach");
      const session = this.sessions.get(frame.value.sessionId);
      if (this.refuseAttach !== undefined || !session || !this.#isKnown(call)) {
        call.emit("error", { code: this.refuseAttach ?? status.NOT_FOUND, details: "no such session" });
        return;
      }
      session.attach(call, frame.value);
    });
  }
}

/** One control stream of the agent. */
export class FakeConnection {
  readonly epoch: number;
  readonly serialNumber: string;
  readonly endedSessions: { sessionId: string; reason: string }[] = [];
  readonly health: TargetHealth[] = [];
  hello: Hello | undefined;
  pings = 0;
  isUp = false;
  readonly #call: ControlCall;
  readonly #controlPlane: FakeControlPlane;

  constructor(call: ControlCall, controlPlane: FakeControlPlane, epoch: number) {
    this.#call = call;
    this.#controlPlane = controlPlane;
    this.epoch = epoch;
    this.serialNumber = call.getAuthContext().sslPeerCertificate?.serialNumber ?? "";
    call.on("data", (request: ConnectRequest) => this.#receive(request));
    call.on("error", () => (this.isUp = false));
    call.on("cancelled", () => (this.isUp = false));
    call.on("end", () => {
      this.isUp = false;
      call.end();
    });
  }

  send(frame: NonNullable<ConnectResponse["frame"]>): void {
    this.#call.write({ frame });
  }

  /** The stream breaks as when the network or the process does. */
  drop(): void {
    this.isUp = false;
    this.#call.emit("error", { code: status.UNAVAILABLE, details: "dropped" });
  }

  supersede(): void {
    this.isUp = false;
    this.#call.emit("error", { code: status.ABORTED, details: "a newer connection" });
  }

  #receive({ frame }: ConnectRequest): void {
    if (frame?.$case === "hello") {
      this.hello = frame.value;
      this.isUp = true;
      this.#welcome();
    } else if (frame?.$case === "ping") {
      this.pings += 1;
      if (this.#controlPlane.answersPings)
        this.send({ $case: "pong", value: { sequence: frame.value.sequence } });
    } else if (frame?.$case === "sessionEnded") {
      this.endedSessions.push(frame.value);
    } else if (frame?.$case === "targetHealth") {
      this.health.push(frame.value);
    }
  }

  #welcome(): void {
    const {
      pingIntervalMs = 100,
      permissionMs = 2_000,
      maxMessageBytes = 1024 * 1024,
    } = this.#controlPlane.options;
    const value = { agentId: "agent-1", epoch: this.epoch, pingIntervalMs, permissionMs, maxMessageBytes };
    this.send({ $case: "welcome", value });
  }
}

export type AgentFrame = NonNullable<SessionRequest["frame"]>;

/** What came of one large response. */
export interface FakeTransfer {
  bytes: number;
  chunks: number;
  largestChunk: number;
  /** Of everything that came. */
  readonly hash: Hash;
  /** The chunks themselves, unless the test wants them forgotten. */
  readonly payloads: Buffer[];
  end?: NonNullable<MessageChunk["end"]>;
  aborted: boolean;
}

/**
 * One session as the control plane holds it, over however many streams. It accepts whatever tools the target shows: it
 * asks for them before the first call of one, and whatever is sent meanwhile follows in order.
 */
export class FakeSession {
  readonly id: string;
  readonly definition: TargetDefinition;
  readonly era: Era;
  readonly attaches: Attach[] = [];
  /** All but the pieces of large responses and what the target's tools are. */
  readonly frames: AgentFrame[] = [];
  readonly shown: ToolDefinitions[] = [];
  readonly transfers = new Map<number, FakeTransfer>();
  keepsChunks = true;
  /** Called with each piece of a large response that comes. */
  onChunk: (() => void) | undefined;
  isAttached = false;
  #call: SessionCall | undefined;
  readonly #digests = new Map<string, Buffer>();
  #knowsTools = false;
  /** What waits for the tools to be known. */
  #held: (() => void)[] = [];

  constructor(id: string, definition: TargetDefinition, era: Era = Era.LEGACY) {
    this.id = id;
    this.definition = definition;
    this.era = era;
  }

  /** As the real one does, the stream before is heard out: the agent ends it. */
  attach(call: SessionCall, attach: Attach): void {
    this.#call = call;
    this.attaches.push(attach);
    call.on("data", ({ frame }: SessionRequest) => {
      if (frame?.$case === "messageChunk") this.#keepChunk(frame.value);
      else if (frame?.$case === "toolDefinitions") this.#accept(frame.value);
      else if (frame) this.frames.push(frame);
    });
    call.on("cancelled", () => this.#gone(call));
    call.on("end", () => {
      this.#gone(call);
      call.end();
    });
    call.write({ frame: { $case: "open", value: { target: this.definition, era: this.era } } });
    this.isAttached = true;
  }

  send(
    exchange: number,
    message: JsonRpcObject | string,
    {
      protocolVersion = this.era === Era.MODERN ? "2026-07-28" : "2025-11-25",
      parameterHeaders = {},
      toolDigest,
    }: { protocolVersion?: string; parameterHeaders?: Record<string, string>; toolDigest?: Uint8Array } = {},
  ): void {
    const payload = Buffer.from(typeof message === "string" ? message : encodeMessage(message));
    const tool = toolDigest === undefined ? calledTool(payload) : undefined;
    const write = () => {
      const digest = Buffer.from(toolDigest ?? this.#digests.get(tool ?? "") ?? []);
      const value = { exchange, payload, protocolVersion, parameterHeaders, toolDigest: digest };
      this.#write({ $case: "message", value });
    };
    if (tool !== undefined && !this.#knowsTools && this.#held.length === 0) {
      this.#held.push(write);
      this.listTools();
    } else {
      this.#inOrder(write);
    }
  }

  cancel(exchange: number): void {
    this.#inOrder(() =>
      this.#write({ $case: "cancelExchange", value: { exchange, reason: "nobody waits" } }),
    );
  }

  listTools(): void {
    this.#write({ $case: "listTools", value: {} });
  }

  close(reason = "closed by the test"): void {
    this.#write({ $case: "close", value: { reason } });
  }

  /** Stops reading what the agent sends, until `read`. */
  stopReading(): void {
    this.#call?.pause();
  }

  read(): void {
    this.#call?.resume();
  }

  drop(): void {
    this.isAttached = false;
    this.#call?.emit("error", { code: status.UNAVAILABLE, details: "dropped" });
  }

  /** All messages of an exchange so far, parsed. */
  messages(exchange: number): JsonRpcObject[] {
    return this.frames.flatMap((frame) =>
      frame.$case === "message" && frame.value.exchange === exchange
        ? [JSON.parse(frame.value.payload.toString()) as JsonRpcObject]
        : [],
    );
  }

  finals(exchange: number): Extract<AgentFrame, { $case: "message" }>["value"][] {
    return this.frames.flatMap((frame) =>
      frame.$case === "message" && frame.value.final && frame.value.exchange === exchange
        ? [frame.value]
        : [],
    );
  }

  /** The response of an exchange, as text. */
  async response(exchange: number, timeoutMs = 10_000): Promise<string> {
    const outcome = await waitFor(() => this.failureOf(exchange) ?? this.finals(exchange)[0], timeoutMs);
    if ("failure" in outcome) throw new Error(`failed: ${outcome.failure} ${outcome.message}`);
    return outcome.payload.toString();
  }

  async call(exchange: number, message: JsonRpcObject): Promise<JsonRpcObject> {
    this.send(exchange, message);
    return JSON.parse(await this.response(exchange)) as JsonRpcObject;
  }

  /** The large response of an exchange, once it is complete. */
  transferOf(exchange: number): FakeTransfer | undefined {
    return [...this.transfers.values()].find(({ end }) => end?.exchange === exchange);
  }

  /** A failure that is said after the end of a transfer, in case the end was lost, says nothing to who has it. */
  async largeResponse(exchange: number, timeoutMs = 30_000): Promise<FakeTransfer> {
    const outcome = await waitFor(() => this.transferOf(exchange) ?? this.failureOf(exchange), timeoutMs);
    if ("failure" in outcome) throw new Error(`failed: ${outcome.failure} ${outcome.message}`);
    return outcome;
  }

  /** What the agent said it learned about the target, each time. */
  get learnedVersions(): string[][] {
    return this.frames.flatMap((frame) => (frame.$case === "targetVersions" ? [frame.value.versions] : []));
  }

  failureOf(exchange: number): ExchangeFailed | undefined {
    const frame = this.frames.find(
      (each) => each.$case === "exchangeFailed" && each.value.exchange === exchange,
    );
    return frame?.$case === "exchangeFailed" ? frame.value : undefined;
  }

  failure(exchange: number, timeoutMs = 10_000): Promise<ExchangeFailed> {
    return waitFor(() => this.failureOf(exchange), timeoutMs);
  }

  ended(): Promise<string> {
    return waitFor(() => {
      const frame = this.frames.find((each) => each.$case === "targetEnded");
      return frame?.$case === "targetEnded" ? frame.value.reason : undefined;
    });
  }

  get stderr(): string {
    return this.frames.map((frame) => (frame.$case === "stderr" ? frame.value.text.toString() : "")).join("");
  }

  #write(frame: NonNullable<SessionResponse["frame"]>): void {
    this.#call?.write({ frame });
  }

  #inOrder(write: () => void): void {
    if (this.#held.length > 0) this.#held.push(write);
    else write();
  }

  #accept(shown: ToolDefinitions): void {
    this.shown.push(shown);
    for (const { name, digest } of shown.tools) this.#digests.set(name, digest);
    this.#knowsTools ||= shown.complete;
    for (const write of this.#held.splice(0)) write();
  }

  #keepChunk({ transfer, payload, end, aborted }: MessageChunk): void {
    const known = this.transfers.get(transfer) ?? {
      bytes: 0,
      chunks: 0,
      largestChunk: 0,
      hash: createHash("sha256"),
      payloads: [],
      aborted: false,
    };
    this.transfers.set(transfer, known);
    known.bytes += payload.length;
    known.hash.update(payload);
    known.chunks += 1;
    known.largestChunk = Math.max(known.largestChunk, payload.length);
    if (this.keepsChunks) known.payloads.push(payload);
    if (end) known.end = end;
    known.aborted ||= aborted;
    this.onChunk?.();
  }

  #gone(call: SessionCall): void {
    if (call === this.#call) this.isAttached = false;
  }
}

/** Undefined for what is no call of a tool. */
function calledTool(payload: Buffer): string | undefined {
  try {
    const { method, params } = JSON.parse(payload.toString()) as JsonRpcObject;
    return method === "tools/call" ? String(params?.["name"]) : undefined;
  } catch {
    return undefined;
  }
}
