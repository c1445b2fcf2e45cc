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
    const context = contextOf(principal, session.clientName);
    session.usedBy = context;
    const at = new Date();
    if (hasAccessIn(session, context, await this.live.known(), at)) return;
    // A grant of this moment is not known yet; what ends the session later has to know that there was one.
    hasAccessIn(session, context, await this.live.now(), at);
  }

  /**
   * Why nobody may use the session any more. Whoever might ask for access and never had a grant may go on asking in it.
   */
  whyOver(session: GatewaySession, live: LiveSnapshot, at = new Date()): string | undefined {
    const lock = lockOnSession(live, session, at);
    if (lock) return `the ${lock.kind} is locked`;
    if (!session.usedBy || hasAccessIn(session, session.usedBy, live, at)) return undefined;
    const { grantedUntil } = session;
    if (grantedUntil === undefined) return undefined;
    return grantedUntil <= at ? "the grant ended" : "access was revoked";
  }
}

/** Whether their access is standing or granted. Until when it is granted is noted. */
function hasAccessIn(session: GatewaySession, context: Context, live: LiveSnapshot, at: Date): boolean {
  const { targetId, id: sessionId } = session;
  const target = live.targets.get(session.target);
  const granted = withGrants(live, { context, targetId, sessionId }, at);
  noteGrants(session, granted);
  return target !== undefined && hasAccess(live.policies, target, granted);
}

function noteGrants(session: GatewaySession, { grants = [] }: Context): void {
  for (const { endsAt } of grants)
    if (session.grantedUntil === undefined || endsAt > session.grantedUntil) session.grantedUntil = endsAt;
}
