import { randomUUIDv7 } from "node:crypto";
import { Injectable } from "@nestjs/common";
import { type Era, type McpNotification, type McpRequest, RpcErrorCode } from "@drawbridge/mcp";
import { SelfActivation } from "../../access/index.js";
import type { Principal } from "../../identity/index.js";
import { Turns } from "../../platform/turns.js";
import { SeenPrincipals } from "../../policies/index.js";
import type { Target } from "../../targets/index.js";
import { GatewayError } from "../gateway-error.js";
import { GatewaySession } from "./gateway-session.js";
import { SessionAccess } from "./session-access.js";
import { SessionStorage } from "./session-storage.js";
import type { StoredSession } from "./sessions.repository.js";
import { SessionsService } from "./sessions.service.js";

// Half of what an agent holds unless its host says otherwise: one principal must not take all places of an agent.
const MAX_OPEN_PER_PRINCIPAL = 100;
/** Of one principal, being opened or waiting for it. */
const MAX_OPENING = 100;
const MAX_CLIENT_NAME = 200;

/** A session that is wanted, with the message that opens it. */
export interface WantedSession {
  readonly principal: Principal;
  readonly target: Target;
  readonly message: McpRequest | McpNotification;
  /** What its requests are known by; see OpenSessions. */
  readonly key: string;
  readonly era: Era;
  readonly idHash: Uint8Array<ArrayBuffer> | null;
  readonly replica: string | null;
  readonly protocolVersion: string | null;
}

/** Makes sessions, recorded from their first event on. Nothing is started at the agent yet. */
@Injectable()
export class SessionOpening {
  /** Of one principal one after the other: how many are open is counted before one more is. */
  private readonly turns = new Turns({ atOnce: 1, most: MAX_OPENING, tooMany });

  constructor(
    private readonly storage: SessionStorage,
    private readonly sessions: SessionsService,
    private readonly seen: SeenPrincipals,
    readonly access: SessionAccess,
    private readonly activation: SelfActivation,
  ) {}

  /**
   * Undefined when there is one already where there can be only one.
   * @throws GatewayError 429, RecordingUnavailableError
   */
  async open(wanted: WantedSession): Promise<GatewaySession | undefined> {
    const { principal, target } = wanted;
    const id = randomUUIDv7();
    const clientName = clientNameOf(wanted.message);
    const stored = await this.turns.of(principal.id, () => this.store(id, clientName, wanted));
    if (!stored) return undefined;
    await this.activate(id, wanted);
    const session = new GatewaySession({
      id,
      principal: principal.id,
      oauthClient: principal.client,
      target: target.name,
      targetId: target.id,
      targetRevision: target.revision,
      era: wanted.era,
      openedAt: new Date(),
      clientName: clientName ?? undefined,
    });
    session.protocolVersion = wanted.protocolVersion ?? undefined;
    this.sessions.add(session, wanted.key);
    const attributes = {
      principal: principal.id,
      email: principal.email ?? null,
      groups: [...principal.groups],
      oauthClient: principal.client,
      clientName,
      target: target.name,
      targetRevision: target.revision,
      era: wanted.era,
    };
    try {
      await this.storage.recorder.record(session, { kind: "session_opened", attributes });
    } catch (error) {
      await this.sessions.end(session, "its opening could not be recorded");
      throw error;
    }
    const { email, groups, identities } = principal;
    this.seen.seen({ principal: principal.id, client: principal.client, email, groups, identities });
    return session;
  }

  /** Whoever may give themselves access has it before anything is decided in the session. */
  private async activate(sessionId: string, { principal, target }: WantedSession): Promise<void> {
    try {
      await this.activation.activate({ principal, target, sessionId });
    } catch (error) {
      const reason = "access could not be given when it was opened";
      await this.storage.sessions.close(sessionId, reason);
      await this.storage.recorder.close(sessionId, reason);
      throw error;
    }
  }

  /** Takes up a session that an earlier process had open. */
  async resume(row: StoredSession, key: string): Promise<GatewaySession> {
    const identity = {
      id: row.id,
      principal: row.principal,
      oauthClient: row.oauthClient,
      target: row.targetName,
      targetId: row.targetId,
      targetRevision: row.targetRevision,
      era: row.era === "modern" ? "modern" : "legacy",
      openedAt: row.openedAt,
      clientName: row.clientName ?? undefined,
    } as const;
    // Exchanges are numbered, and calls counted, on where that process stopped.
    const [lastExchange, calls, grantedUntil] = await Promise.all([
      this.storage.reader.lastExchange(row.id),
      this.storage.reader.callsAllowed(row.id),
      this.storage.sessions.grantedUntil(row),
    ]);
    const session = new GatewaySession(identity, { lastExchange, calls });
    session.protocolVersion = row.protocolVersion ?? undefined;
    session.agentId = row.agentId ?? undefined;
    session.grantedUntil = grantedUntil;
    this.sessions.add(session, key);
    return session;
  }

  private async store(id: string, clientName: string | null, wanted: WantedSession): Promise<boolean> {
    const { principal, target, era, idHash, replica, protocolVersion } = wanted;
    return this.storage.database.transaction(async (transaction) => {
      if ((await this.storage.sessions.countOpen(transaction, principal.id)) >= MAX_OPEN_PER_PRINCIPAL) {
        const message = `you have ${MAX_OPEN_PER_PRINCIPAL} open sessions, which is the limit; close some`;
        throw new GatewayError({ status: 429, code: RpcErrorCode.TooManyRequests, message });
      }
      const created = await this.storage.sessions.create(transaction, {
        id,
        idHash,
        era,
        replica,
        principal: principal.id,
        email: principal.email ?? null,
        oauthClient: principal.client,
        clientName,
        targetId: target.id,
        targetName: target.name,
        targetRevision: target.revision,
        protocolVersion,
      });
      if (created) await this.storage.writer.create(transaction, id);
      return created;
    });
  }
}

function tooMany(): GatewayError {
  const message = "too many of your sessions are being opened; try again in a moment";
  const headers = { "Retry-After": "1" };
  return new GatewayError({ status: 429, code: RpcErrorCode.TooManyRequests, message, headers });
}

/** A claim: for display, for the recording, and for rules that deny. */
export function clientNameOf({ clientInfo }: McpRequest | McpNotification): string | null {
  return clientInfo?.name?.slice(0, MAX_CLIENT_NAME).replaceAll("\0", "") ?? null;
}
