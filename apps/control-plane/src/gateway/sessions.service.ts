import { createHmac, randomBytes, randomUUIDv7 } from "node:crypto";
import { Injectable, Logger } from "@nestjs/common";
import { jsonView, type McpRequest, type McpResponse, RpcErrorCode } from "@drawbridge/mcp";
import { AgentLinks, AgentUnavailableError, type SessionLink } from "../agents/index.js";
import type { Principal } from "../identity/index.js";
import { KeyEncryption } from "../platform/key-encryption.js";
import type { Target } from "../targets/index.js";
import { GatewayError, unknownSession } from "./gateway-error.js";
import { GatewaySession } from "./gateway-session.js";
import { LiveState } from "./live-state.js";
import { SessionStorage } from "./session-storage.js";
import { TargetTraffic } from "./target-traffic.js";

const SESSION_ID_BYTES = 32;
const MAX_OPEN_PER_PRINCIPAL = 500;

export interface OpenedSession {
  readonly session: GatewaySession;
  /** The Mcp-Session-Id: known to the client alone; we keep its keyed hash. */
  readonly sessionId: string;
}

/** Who wants to use a session, with what they showed. */
export interface SessionClaim {
  readonly principal: Principal;
  readonly target: string;
  readonly sessionId: string;
}

/** Opens, finds and ends sessions. What must survive a restart is in Postgres. */
@Injectable()
export class SessionsService {
  private readonly logger = new Logger("sessions");
  // By Mcp-Session-Id, which stays in memory; what is stored is its keyed hash.
  private readonly open = new Map<string, GatewaySession>();
  private readonly keys = new Map<string, string>();
  private readonly traffic = new WeakMap<GatewaySession, TargetTraffic>();
  private readonly finding = new Map<string, Promise<GatewaySession | undefined>>();
  private readonly hashKey: Buffer;

  constructor(
    private readonly storage: SessionStorage,
    private readonly links: AgentLinks,
    private readonly live: LiveState,
    keys: KeyEncryption,
  ) {
    this.hashKey = keys.derive("session-id");
  }

  /** A new session, recorded from its first event on. Nothing is started at the agent yet. */
  async create(principal: Principal, target: Target, initialize: McpRequest): Promise<OpenedSession> {
    const sessionId = randomBytes(SESSION_ID_BYTES).toString("base64url");
    const id = randomUUIDv7();
    const clientName = initialize.clientInfo?.name?.slice(0, 200).replaceAll("\0", "") ?? null;
    await this.storage.database.transaction(async (transaction) => {
      if ((await this.storage.sessions.countOpen(transaction, principal.id)) >= MAX_OPEN_PER_PRINCIPAL) {
        const message = `you have ${MAX_OPEN_PER_PRINCIPAL} open sessions, which is the limit; close some`;
        throw new GatewayError({ status: 429, code: RpcErrorCode.TooManyRequests, message });
      }
      await this.storage.sessions.create(transaction, {
        id,
        idHash: this.hash(sessionId),
        principal: principal.id,
        email: principal.email ?? null,
        oauthClient: principal.client,
        clientName,
        targetId: target.id,
        targetName: target.name,
      });
      await this.storage.writer.create(transaction, id);
    });
    const session = new GatewaySession(
      { id, principal: principal.id, oauthClient: principal.client, target: target.name },
      0,
    );
    this.remember(sessionId, session);
    const { email, groups, client } = principal;
    const attributes = {
      principal: principal.id,
      email: email ?? null,
      groups: [...groups],
      oauthClient: client,
      clientName,
      target: target.name,
      targetRevision: target.revision,
    };
    try {
      await this.storage.recorder.record(session, { kind: "session_opened", attributes });
    } catch (error) {
      await this.end(session, "its opening could not be recorded");
      throw error;
    }
    return { session, sessionId };
  }

  /** @throws GatewayError 404 for what is unknown, ended or somebody else's */
  async find({ principal, target, sessionId }: SessionClaim): Promise<GatewaySession> {
    const session = await this.lookUp(sessionId);
    const theirs =
      session &&
      !session.ended &&
      session.principal === principal.id &&
      session.oauthClient === principal.client &&
      session.target === target;
    if (!theirs) throw unknownSession();
    session.touched = true;
    return session;
  }

  /** The session's stream at its agent, opened when it is needed first. @throws GatewayError */
  async linkOf(session: GatewaySession): Promise<SessionLink> {
    session.link ??= this.openLink(session);
    try {
      return await session.link;
    } catch (error) {
      session.link = undefined;
      if (!(error instanceof AgentUnavailableError)) throw error;
      if (session.agentId !== undefined) {
        await this.end(session, "the target of this session is gone");
        throw unknownSession();
      }
      const message = `${error.message}; nothing ran`;
      throw new GatewayError({ status: 503, code: RpcErrorCode.TargetUnavailable, message });
    }
  }

  /** Whether nobody has ended the session from outside. */
  async isStillOpen(session: GatewaySession): Promise<boolean> {
    if (!session.ended && !(await this.storage.sessions.isOpen(session.id)))
      await this.end(session, "ended by an operator");
    return !session.ended;
  }

  /** Ends a session here: its target stops, whoever waits is told, and the recording gets its last event. */
  async end(session: GatewaySession, reason: string): Promise<void> {
    if (session.ended) return;
    session.ended = true;
    // First what stops it: a slow database must not keep a target running.
    const link = await session.link?.catch(() => undefined);
    link?.close(reason);
    await this.traffic.get(session)?.abandon(`the session ended (${reason})`);
    // Only now: until every exchange has its end in the recording, recovery must see that somebody works on them.
    this.forget(session);
    session.eventStream?.end();
    try {
      await this.storage.sessions.close(session.id, reason);
      await this.storage.recorder.close(session.id, reason);
    } catch (error) {
      // The sweep of recordings and the expiry of sessions finish what could not be written now.
      this.logger.warn(
        "the end of a session could not be written yet",
        error instanceof Error ? error.message : undefined,
      );
    }
  }

  /** Ends a session here, if this replica has it open. */
  async endById(id: string, reason: string): Promise<void> {
    const session = this.byId(id);
    if (session) await this.end(session, reason);
  }

  get all(): Iterable<GatewaySession> {
    return this.open.values();
  }

  byId(id: string): GatewaySession | undefined {
    return this.open.get(this.keys.get(id) ?? "");
  }

  private remember(sessionId: string, session: GatewaySession): void {
    this.open.set(sessionId, session);
    this.keys.set(session.id, sessionId);
  }

  private forget({ id }: GatewaySession): void {
    this.open.delete(this.keys.get(id) ?? "");
    this.keys.delete(id);
  }

  private async lookUp(sessionId: string): Promise<GatewaySession | undefined> {
    const known = this.open.get(sessionId);
    if (known) return known;
    // Two requests that arrive together after a restart must find one session, not make two.
    let finding = this.finding.get(sessionId);
    if (!finding) {
      finding = this.load(sessionId).finally(() => this.finding.delete(sessionId));
      this.finding.set(sessionId, finding);
    }
    return finding;
  }

  private async load(sessionId: string): Promise<GatewaySession | undefined> {
    const row = await this.storage.sessions.findOpenByHash(this.hash(sessionId));
    if (!row) return undefined;
    const identity = {
      id: row.id,
      principal: row.principal,
      oauthClient: row.oauthClient,
      target: row.targetName,
    };
    // Exchanges are numbered on where an earlier process stopped.
    const session = new GatewaySession(identity, await this.storage.reader.lastExchange(row.id));
    session.protocolVersion = row.protocolVersion ?? undefined;
    session.agentId = row.agentId ?? undefined;
    this.remember(sessionId, session);
    return session;
  }

  private async openLink(session: GatewaySession): Promise<SessionLink> {
    const { value: targets } = await this.live.targets.get();
    const target = targets.get(session.target);
    if (!target) throw unknownSession();
    const traffic = this.trafficOf(session);
    const link = await this.links.open({
      sessionId: session.id,
      group: target.agentGroup,
      ...(session.agentId === undefined ? {} : { agentId: session.agentId }),
      definition: this.live.targets.definition(target),
      listener: traffic,
    });
    if (session.ended) {
      link.close("the session ended");
      throw unknownSession();
    }
    if (session.agentId !== link.agentId) {
      session.agentId = link.agentId;
      await this.storage.sessions.negotiated(session.id, { agentId: link.agentId });
    }
    return link;
  }

  trafficOf(session: GatewaySession): TargetTraffic {
    let traffic = this.traffic.get(session);
    if (!traffic) {
      traffic = new TargetTraffic(session, {
        recorder: this.storage.recorder,
        live: this.live,
        onInitialized: (initialized, response) => this.negotiated(initialized, response),
        onEnded: (ended, reason) => this.end(ended, reason),
      });
      this.traffic.set(session, traffic);
    }
    return traffic;
  }

  private async negotiated(session: GatewaySession, response: McpResponse): Promise<void> {
    if (response.isError || !response.ranges.result) return;
    const [start, end] = response.ranges.result;
    const { protocolVersion } = jsonView(Buffer.from(response.bytes).toString("utf8", start, end)) as {
      protocolVersion?: unknown;
    };
    if (typeof protocolVersion !== "string") return;
    session.protocolVersion = protocolVersion;
    await this.storage.sessions.negotiated(session.id, { protocolVersion: protocolVersion.slice(0, 32) });
  }

  private hash(sessionId: string): Uint8Array<ArrayBuffer> {
    return new Uint8Array(createHmac("sha256", this.hashKey).update(sessionId).digest());
  }
}
