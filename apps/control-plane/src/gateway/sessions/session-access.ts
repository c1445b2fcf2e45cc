import { Injectable } from "@nestjs/common";
import { type Context, hasAccess } from "@drawbridge/policy";
import type { Principal } from "../../identity/index.js";
import { contextOf, withGrants } from "../decisions/decide.js";
import { LiveState, type LiveSnapshot } from "../decisions/live-state.js";
import { lockOnSession } from "../decisions/locked.js";
import type { GatewaySession } from "./gateway-session.js";

/** By what right sessions are open, and whether they still are. */
@Injectable()
export class SessionAccess {
  constructor(private readonly live: LiveState) {}

  /** Notes who uses the session and under which grants: groups are those of the last request. */
  async noteUse(session: GatewaySession, principal: Principal): Promise<void> {
    session.touched = true;
    session.usedBy = contextOf(principal, session.clientName);
    noteGrants(session, grantedIn(session, session.usedBy, await this.live.known(), new Date()));
  }

  /**
   * Why nobody may use the session any more. Whoever might ask for access and never had a grant may go on asking in it.
   */
  whyOver(session: GatewaySession, live: LiveSnapshot, at = new Date()): string | undefined {
    const lock = lockOnSession(live, session, at);
    if (lock) return `the ${lock.kind} is locked`;
    const target = live.targets.get(session.target);
    if (!session.usedBy || !target) return undefined;
    const context = grantedIn(session, session.usedBy, live, at);
    noteGrants(session, context);
    const { grantedUntil } = session;
    if (grantedUntil === undefined || hasAccess(live.policies, target, context)) return undefined;
    return grantedUntil <= at ? "the grant ended" : "access was revoked";
  }
}

function grantedIn(
  { targetId, id: sessionId }: GatewaySession,
  context: Context,
  live: LiveSnapshot,
  at: Date,
): Context {
  return withGrants(live, { context, targetId, sessionId }, at);
}

function noteGrants(session: GatewaySession, { grants = [] }: Context): void {
  for (const { endsAt } of grants)
    if (session.grantedUntil === undefined || endsAt > session.grantedUntil) session.grantedUntil = endsAt;
}
