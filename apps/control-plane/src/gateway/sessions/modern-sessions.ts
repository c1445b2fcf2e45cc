import { randomUUID } from "node:crypto";
import { Inject, Injectable } from "@nestjs/common";
import { type McpNotification, type McpRequest, MODERN_REVISION, RpcErrorCode } from "@drawbridge/mcp";
import { CONFIG, type Config } from "../../config.js";
import type { Principal } from "../../identity/index.js";
import type { Target } from "../../targets/index.js";
import { modernNotSpoken } from "../era-refusals.js";
import { GatewayError, unavailable } from "../gateway-error.js";
import type { GatewaySession } from "./gateway-session.js";
import { LiveState } from "../decisions/live-state.js";
import { SessionOpening } from "./session-opening.js";
import { SessionStorage } from "./session-storage.js";
import type { StoredSession } from "./sessions.repository.js";
import { SessionsService } from "./sessions.service.js";

// Without other replicas the next process takes up what this one leaves.
const ONLY_REPLICA = "only";
const ATTEMPTS = 3;
const TARGET_CHANGED = "the target was changed";

/** Who asks what of whom. */
export interface ModernRequest {
  readonly principal: Principal;
  readonly target: Target;
  readonly message: McpRequest | McpNotification;
}

/**
 * The sessions of 2026-07-28, which the protocol does not know: one of a principal, OAuth client and target at a replica,
 * opened by the first request and ended when it was not used for a while.
 */
@Injectable()
export class ModernSessions {
  private readonly replica: string;
  private readonly finding = new Map<string, Promise<GatewaySession>>();

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly sessions: SessionsService,
    private readonly opening: SessionOpening,
    private readonly storage: SessionStorage,
    private readonly live: LiveState,
  ) {
    this.replica = config.redisUrl === undefined ? ONLY_REPLICA : randomUUID();
  }

  /** The session a request belongs to, found or opened. @throws GatewayError, RecordingUnavailableError */
  async of(request: ModernRequest): Promise<GatewaySession> {
    const { principal, target } = request;
    const key = `modern ${JSON.stringify([principal.id, principal.client, target.id])}`;
    const known = this.sessions.withKey(key);
    if (known && serves(known, target)) return this.used(known, principal);
    // Requests that come together find one session, or open one.
    let finding = this.finding.get(key);
    if (!finding) {
      finding = this.findOrOpen(request, key).finally(() => this.finding.delete(key));
      this.finding.set(key, finding);
    }
    return this.used(await finding, principal);
  }

  private async used(session: GatewaySession, principal: Principal): Promise<GatewaySession> {
    await this.opening.access.noteUse(session, principal);
    return session;
  }

  /** This process is about to stop: ends what nobody could take up. */
  async leave(): Promise<void> {
    if (this.replica === ONLY_REPLICA) return;
    const modern = [...this.sessions.all].filter(({ era }) => era === "modern");
    await Promise.all(
      modern.map((session) => this.sessions.end(session, "the control plane that served it was stopped")),
    );
  }

  private async findOrOpen(request: ModernRequest, key: string): Promise<GatewaySession> {
    const { principal, target, message } = request;
    const outdated = this.sessions.withKey(key);
    if (outdated) await this.sessions.end(outdated, TARGET_CHANGED);
    const versions = await this.live.withoutModern(target);
    if (versions) throw modernNotSpoken(versions);
    const { replica } = this;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const owner = { principal: principal.id, oauthClient: principal.client, targetId: target.id, replica };
      const row = await this.storage.sessions.findOpenModern(owner);
      const session = row
        ? await this.takeUp(row, target, key)
        : await this.opening.open({
            principal,
            target,
            message,
            key,
            era: "modern",
            idHash: null,
            replica,
            protocolVersion: MODERN_REVISION,
          });
      if (session) return session;
    }
    throw unavailable("the session could not be opened; try again");
  }

  /** Undefined when it could not be used any more; then it is ended. */
  private async takeUp(row: StoredSession, target: Target, key: string): Promise<GatewaySession | undefined> {
    const session = await this.opening.resume(row, key);
    try {
      // Whether its target still runs shows only here; a client would not know why its request failed.
      if (row.agentId !== null) await this.sessions.linkOf(session);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    if (!session.ended && !serves(session, target)) await this.sessions.end(session, TARGET_CHANGED);
    return session.ended ? undefined : session;
  }
}

function serves(session: GatewaySession, target: Target): boolean {
  return !session.ended && (session.targetRevision >= target.revision || session.busy);
}

function isGone(error: unknown): boolean {
  return error instanceof GatewayError && error.code === RpcErrorCode.SessionNotFound;
}
