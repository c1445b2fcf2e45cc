import type {
  AgentServiceClient,
  ConnectRequest,
  ConnectRequest_Hello as Hello,
  ConnectRequest_TargetHealth as TargetHealth,
  ConnectResponse,
  ConnectResponse_Welcome as Welcome,
} from "@drawbridge/protocol";
import { type ClientDuplexStream, type ServiceError, status } from "@grpc/grpc-js";
import { LONGEST_PERMISSION_MS, type MonotonicClock } from "./permission.js";

const HANDSHAKE_DEADLINE_MS = 5_000;
const PINGS_REMEMBERED = 16;
const SHORTEST_PING_INTERVAL_MS = 1_000;
const LONGEST_PING_INTERVAL_MS = 20_000;
/** Even where the permission is shorter than any sense. */
const BUSIEST_PING_INTERVAL_MS = 20;

type ControlStream = ClientDuplexStream<ConnectRequest, ConnectResponse>;
export type ControlFrame = Exclude<NonNullable<ConnectResponse["frame"]>, { $case: "welcome" | "pong" }>;

export interface ConnectionEnd {
  readonly code: status;
  readonly details: string;
}

/** A connection that did not come about or has ended, with the gRPC status that says why. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly end: ConnectionEnd;

  constructor(end: ConnectionEnd) {
    super(end.details);
    this.end = end;
  }
}

export interface ConnectionOptions {
  /** The connection closes it at its end. */
  readonly client: AgentServiceClient;
  readonly hello: Hello;
  readonly now: MonotonicClock;
  /** A ping that was sent at `sentAt` has been answered. */
  readonly onPermission: (sentAt: number, durationMs: number) => void;
  /** Frames that came before the first pong are delivered after it. */
  readonly onFrame: (frame: ControlFrame, connection: Connection) => void;
}

/** One control stream on one channel, from hello to its end. */
export class Connection {
  readonly client: AgentServiceClient;
  /** Resolves when the stream is over, for whatever reason; never rejects. */
  readonly closed: Promise<ConnectionEnd>;
  readonly #options: ConnectionOptions;
  readonly #stream: ControlStream;
  readonly #sentAt = new Map<number, number>();
  readonly #early: ControlFrame[] = [];
  readonly #closed = Promise.withResolvers<ConnectionEnd>();
  readonly #operational = Promise.withResolvers<void>();
  #welcome: Welcome | undefined;
  #isOperational = false;
  #isOver = false;
  #sequence = 0;
  #pinging: NodeJS.Timeout | undefined;

  /** Resolves when the control plane said welcome and answered a ping. Throws ConnectionError within 5 seconds otherwise. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const connection = new Connection(options);
    const deadline = setTimeout(() => connection.#giveUp(), HANDSHAKE_DEADLINE_MS);
    const first = await Promise.race([connection.#operational.promise, connection.closed]);
    clearTimeout(deadline);
    if (first) throw new ConnectionError(first);
    return connection;
  }

  private constructor(options: ConnectionOptions) {
    this.client = options.client;
    this.#options = options;
    this.#stream = options.client.connect();
    this.closed = this.#closed.promise;
    this.#watchEnd();
    this.#stream.on("data", (message: ConnectResponse) => this.#receive(message));
    this.#send({ $case: "hello", value: options.hello });
  }

  /** Only after `open`. */
  get welcome(): Welcome {
    if (!this.#welcome) throw new Error("the control plane has not said welcome yet");
    return this.#welcome;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  reportEnded(sessionId: string, reason: string): void {
    this.#send({ $case: "sessionEnded", value: { sessionId, reason } });
  }

  reportHealth(health: TargetHealth): void {
    this.#send({ $case: "targetHealth", value: health });
  }

  /** Leaves politely; session streams of this channel may still finish. */
  finish(): void {
    clearInterval(this.#pinging);
    this.#stream.end();
  }

  /** Ends everything on this channel at once. */
  close(): void {
    this.#stream.cancel();
  }

  #watchEnd(): void {
    // A broken stream emits "error" before "status", a finished one only the latter.
    this.#stream.on("error", ({ code, details }: ServiceError) => this.#over({ code, details }));
    this.#stream.on("status", ({ code, details }) => this.#over({ code, details }));
    // The control plane ends its half when it goes away.
    this.#stream.on("end", () => this.#stream.end());
  }

  #giveUp(): void {
    this.#over({
      code: status.DEADLINE_EXCEEDED,
      details: "the control plane did not welcome the agent within 5 seconds",
    });
    this.#stream.cancel();
  }

  #over(end: ConnectionEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#pinging);
    // Session streams that still run keep the channel until they end.
    this.client.close();
    this.#closed.resolve(end);
  }

  #receive({ frame }: ConnectResponse): void {
    switch (frame?.$case) {
      case undefined:
        return;
      case "welcome":
        this.#welcomed(frame.value);
        return;
      case "pong":
        this.#answered(frame.value.sequence);
        return;
      case "openSession":
      case "closeSession":
      case "drain":
        if (this.#isOperational) this.#options.onFrame(frame, this);
        else this.#early.push(frame);
        return;
      default:
        frame satisfies never;
    }
  }

  #welcomed(welcome: Welcome): void {
    if (this.#welcome) return;
    this.#welcome = boundedWelcome(welcome);
    this.#ping();
    this.#pinging = setInterval(() => this.#ping(), this.#welcome.pingIntervalMs);
  }

  #ping(): void {
    const sequence = (this.#sequence += 1);
    this.#sentAt.set(sequence, this.#options.now());
    this.#sentAt.delete(sequence - PINGS_REMEMBERED);
    this.#send({ $case: "ping", value: { sequence } });
  }

  #answered(sequence: number): void {
    const sentAt = this.#sentAt.get(sequence);
    if (sentAt === undefined) return;
    this.#sentAt.delete(sequence);
    this.#options.onPermission(sentAt, this.welcome.permissionMs);
    if (this.#isOperational) return;
    this.#isOperational = true;
    this.#operational.resolve();
    // After `open` has returned, so that whoever awaits it is ready for them.
    setImmediate(() => {
      for (const frame of this.#early.splice(0)) this.#options.onFrame(frame, this);
    });
  }

  #send(frame: NonNullable<ConnectRequest["frame"]>): void {
    if (!this.#isOver) this.#stream.write({ frame });
  }
}

/**
 * What the agent makes of a welcome: a permission of at most a minute, and a ping every 1 to 20 seconds, more often only
 * where the permission would lapse between two of them.
 */
export function boundedWelcome(welcome: Welcome): Welcome {
  const permissionMs = Math.max(0, Math.min(welcome.permissionMs, LONGEST_PERMISSION_MS));
  const wanted = Math.max(
    SHORTEST_PING_INTERVAL_MS,
    Math.min(welcome.pingIntervalMs, LONGEST_PING_INTERVAL_MS),
  );
  const inTime = Math.max(BUSIEST_PING_INTERVAL_MS, permissionMs / 3);
  return { ...welcome, permissionMs, pingIntervalMs: Math.min(wanted, inTime) };
}

/** A newer connection with this identity has taken over. */
export function isSuperseded(end: ConnectionEnd): boolean {
  return end.code === status.ABORTED;
}

/** The control plane does not accept this identity: its certificate was revoked or has expired. */
export function isRejected(end: ConnectionEnd): boolean {
  return end.code === status.UNAUTHENTICATED || end.code === status.PERMISSION_DENIED;
}
