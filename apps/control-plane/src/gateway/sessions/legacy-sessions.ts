import { createHmac, randomBytes } from "node:crypto";
import { Injectable } from "@nestjs/common";
import type { McpRequest } from "@drawbridge/mcp";
import type { Principal } from "../../identity/index.js";
import { KeyEncryption } from "../../platform/key-encryption.js";
import type { Target } from "../../targets/index.js";
import { unavailable, unknownSession } from "../gateway-error.js";
import type { GatewaySession } from "./gateway-session.js";
import { SessionAccess } from "./session-access.js";
import { SessionOpening } from "./session-opening.js";
import { SessionStorage } from "./session-storage.js";
import { SessionsService } from "./sessions.service.js";

const SESSION_ID_BYTES = 32;

export interface OpenedSession {
  readonly session: GatewaySession;
  /** The Mcp-Session-Id: known to the client alone; we keep its keyed hash. */
  readonly sessionId: string;
}

/** Who wants to use a session, with what they showed. */
export interface SessionClaim {
  readonly principal: Principal;
  readonly target: Pick<Target, "id">;
  readonly sessionId: string;
}

/** The sessions of the 2025 revisions: opened by initialize, known by their Mcp-Session-Id. */
@Injectable()
export class LegacySessions {
  private readonly finding = new Map<string, Promise<GatewaySession | undefined>>();
  private readonly hashKey: Buffer;

  constructor(
    private readonly sessions: SessionsService,
    private readonly opening: SessionOpening,
    private readonly storage: SessionStorage,
    private readonly access: SessionAccess,
    keys: KeyEncryption,
  ) {
    this.hashKey = keys.derive("session-id");
  }

  /** @throws GatewayError, RecordingUnavailableError */
  async create(principal: Principal, target: Target, initialize: McpRequest): Promise<OpenedSession> {
    const sessionId = randomBytes(SESSION_ID_BYTES).toString("base64url");
    const session = await this.opening.open({
      principal,
      target,
      message: initialize,
      key: keyOf(sessionId),
      era: "legacy",
      idHash: this.hash(sessionId),
      replica: null,
      protocolVersion: null,
    });
    if (!session) throw unavailable("the session could not be opened; try again");
    await this.access.noteUse(session, principal);
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
      session.targetId === target.id;
    if (!theirs) throw unknownSession();
    await this.access.noteUse(session, principal);
    return session;
  }

  /** Asks the database: for what is answered without a request being recorded. */
  isStillOpen(session: GatewaySession): Promise<boolean> {
    return this.sessions.isStillOpen(session);
  }

  end(session: GatewaySession, reason: string): Promise<void> {
    return this.sessions.end(session, reason);
  }

  private async lookUp(sessionId: string): Promise<GatewaySession | undefined> {
    const known = this.sessions.withKey(keyOf(sessionId));
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
    return row ? this.opening.resume(row, keyOf(sessionId)) : undefined;
  }

  private hash(sessionId: string): Uint8Array<ArrayBuffer> {
    return new Uint8Array(createHmac("sha256", this.hashKey).update(sessionId).digest());
  }
}

function keyOf(sessionId: string): string {
  return `legacy ${sessionId}`;
}
