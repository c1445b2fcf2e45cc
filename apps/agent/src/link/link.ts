import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectRequest_TargetHealth as TargetHealth, Isolation } from "@drawbridge/protocol";
import type { Logger } from "pino";
import { type Address, formatAddress } from "../enrolment/address.js";
import type { Identity } from "../enrolment/identity.js";
import { AGENT_VERSION } from "../version.js";
import { backoffMs } from "./backoff.js";
import { openAgentChannel } from "./channel.js";
import {
  Connection,
  type ConnectionEnd,
  ConnectionError,
  type ControlFrame,
  isRejected,
  isSuperseded,
} from "./connection.js";
import { Permission } from "./permission.js";
import type { SessionOwner, SessionRegistry } from "./session-registry.js";

/** What a policy may count on this agent to do. */
const FEATURES = ["mask-default", "tool-pinning", "stdio", "streamable-http", "http-sse"];
const REJECTED_RETRY_MS = 60_000;
const SUPERSEDED_RETRY_MS = 30_000;
/** While the permission holds, sessions wait for the connection: a longer delay could outlast what is left of them. */
const HOLDING_RETRY_MS = 2_000;
/** A connection that lasted this long was a good one: the next trouble starts from the shortest delay again. */
const STABLE_MS = 10_000;
const LET_GO_MS = 5_000;
const REPORTS_KEPT = 1_000;

export interface LinkOptions {
  readonly address: Address;
  /** Read at each dial, so that a renewed certificate is used from then on. */
  readonly identity: () => Identity;
  readonly sessions: SessionRegistry;
  /** Targets whose process failed when it was last started. */
  readonly failingTargets: () => readonly TargetHealth[];
  /** This host's own limit. */
  readonly maxMessageBytes: number;
  readonly random: () => number;
  readonly log: Logger;
}

/** The agent's bond with one control-plane address: one connection, replaced whenever it breaks or has to be renewed. */
export class Link implements SessionOwner {
  readonly permission: Permission;
  readonly #options: LinkOptions;
  readonly #log: Logger;
  readonly #reports = new Map<string, string>();
  readonly #stopping = new AbortController();
  #connection: Connection | undefined;
  #replacement = Promise.withResolvers<"replace">();
  #failures = 0;
  #running: Promise<void> | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#log = options.log.child({ controlPlane: formatAddress(options.address) });
    this.permission = new Permission(
      () => performance.now(),
      () => this.#permissionLapsed(),
    );
  }

  get connection(): Connection | undefined {
    return this.#connection?.isOver ? undefined : this.#connection;
  }

  get maxMessageBytes(): number {
    const theirs = this.#connection?.welcome.maxMessageBytes || this.#options.maxMessageBytes;
    return Math.min(theirs, this.#options.maxMessageBytes);
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Connects anew and lets the old connection go when the new one serves: for a new certificate, or a draining replica. */
  replace(): void {
    this.#replacement.resolve("replace");
  }

  /** Sessions must have ended before. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.permission.stop();
    this.#connection?.finish();
    await Promise.race([this.#running, sleep(1_000, undefined, { ref: false })]);
    this.#connection?.close();
  }

  reportEnded(sessionId: string, reason: string): void {
    if (this.connection) {
      this.connection.reportEnded(sessionId, reason);
      return;
    }
    if (this.#reports.size < REPORTS_KEPT) this.#reports.set(sessionId, reason);
  }

  /** Without a connection it is not said: the next one begins with every target that fails. */
  reportHealth(health: TargetHealth): void {
    this.connection?.reportHealth(health);
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const connectedAt = performance.now();
      const end = await this.#connect();
      if (end === "replace") continue;
      if (performance.now() - connectedAt >= STABLE_MS) this.#failures = 0;
      await this.#wait(this.#delayAfter(end));
    }
  }

  /** One connection, from dialling to the moment another is needed. */
  async #connect(): Promise<ConnectionEnd | "replace"> {
    const old = this.connection;
    this.#replacement = Promise.withResolvers();
    try {
      const connection = await this.#open();
      this.#adopt(connection, old);
      return await Promise.race([connection.closed, this.#replacement.promise]);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      if (old && !old.isOver)
        this.#log.warn({ status: error.end.code }, "the connection could not be replaced yet");
      return error.end;
    }
  }

  #open(): Promise<Connection> {
    return Connection.open({
      client: openAgentChannel(this.#options.address, this.#options.identity()),
      hello: {
        agentVersion: AGENT_VERSION,
        features: FEATURES,
        isolation: Isolation.NONE,
        keptSessions: this.#options.sessions.idsOf(this),
      },
      now: () => performance.now(),
      onPermission: (sentAt, durationMs) => this.permission.renew(sentAt, durationMs),
      onFrame: (frame, connection) => this.#receive(frame, connection),
    });
  }

  #adopt(connection: Connection, old: Connection | undefined): void {
    this.#connection = connection;
    this.#log.info({ epoch: connection.welcome.epoch }, "connected to the control plane");
    for (const [sessionId, reason] of this.#reports) connection.reportEnded(sessionId, reason);
    this.#reports.clear();
    for (const health of this.#options.failingTargets()) connection.reportHealth(health);
    this.#options.sessions.moveTo(this, connection);
    if (!old || old.isOver) return;
    old.finish();
    setTimeout(() => old.close(), LET_GO_MS).unref();
  }

  #receive(frame: ControlFrame, connection: Connection): void {
    switch (frame.$case) {
      case "openSession":
        this.#options.sessions.open(frame.value.sessionId, this, connection);
        return;
      case "closeSession":
        this.#options.sessions.close(frame.value.sessionId, frame.value.reason);
        return;
      case "drain":
        this.#log.info("the control plane drains: connecting anew");
        if (connection === this.#connection) this.replace();
        return;
      default:
        frame satisfies never;
    }
  }

  #permissionLapsed(): void {
    this.#log.error("the permission to operate lapsed: ending every session of this control plane");
    // Whoever does not answer pings is not there, whatever the socket says: reports wait for the next connection.
    const silent = this.#connection;
    this.#connection = undefined;
    this.#options.sessions.endAllOf(this, "the agent lost touch with the control plane");
    silent?.close();
  }

  #delayAfter(end: ConnectionEnd): number {
    const { random } = this.#options;
    if (isRejected(end)) {
      this.#log.error(
        { status: end.code },
        "the control plane refuses this agent's certificate: it was revoked or has expired; join again with a new token",
      );
      return REJECTED_RETRY_MS * (1 + random());
    }
    if (isSuperseded(end)) {
      this.#log.warn(
        "another process connected with this agent's identity: is the state directory used twice?",
      );
      return SUPERSEDED_RETRY_MS * (1 + random());
    }
    const delayMs = backoffMs(this.#failures, random, this.permission.holds ? HOLDING_RETRY_MS : undefined);
    this.#failures += 1;
    this.#log.warn(
      { status: end.code, reason: end.details, retryInMs: Math.round(delayMs) },
      "not connected",
    );
    return delayMs;
  }

  /** Ends early when the agent stops. */
  async #wait(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }
}
