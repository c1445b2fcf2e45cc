import { RpcErrorCode } from "@drawbridge/mcp";
import { type Context, isTargetVisible } from "@drawbridge/policy";
import type { LiveLock } from "../../locks/index.js";
import type { Target } from "../../targets/index.js";
import { GatewayError, unknownTarget } from "../gateway-error.js";
import type { LiveSnapshot } from "./live-state.js";

type Seen = Pick<LiveSnapshot, "policies" | "targets" | "locks">;

/** Of a session, what may be locked. */
export interface LockableSession {
  readonly id: string;
  readonly principal: string;
  readonly oauthClient: string;
  readonly target: string;
  readonly targetId: string;
  readonly agentId: string | undefined;
}

/** Whose use of which target it is. */
interface Use {
  readonly name: string;
  readonly context: Context;
}

/**
 * The target, for who sees it. Who would see it but for a lock is told of that: from everybody else a target that is
 * locked is hidden like any other. @throws GatewayError
 */
export function visibleTarget(live: Seen, { name, context }: Use, at = new Date()): Target {
  const target = live.targets.get(name);
  if (!target || !isTargetVisible(live.policies, target, context)) throw unknownTarget();
  const lock = lockOnUse(live, { name, context }, at);
  // Nothing is known yet of what it would answer.
  if (lock) throw lockedRefusal(lock, 403);
  return target;
}

/** Whether who is meant could still open the session, and nothing in it is locked. */
export function maySeeSession(
  live: Seen,
  session: LockableSession,
  context: Context,
  at = new Date(),
): boolean {
  const target = live.targets.get(session.target);
  if (target?.id !== session.targetId || !isTargetVisible(live.policies, target, context)) return false;
  return (
    lockOnSession(live, session, at) === undefined &&
    lockOnUse(live, { name: session.target, context }, at) === undefined
  );
}

/** The lock for which the session has to end. */
export function lockOnSession(
  { locks }: Pick<LiveSnapshot, "locks">,
  { id, principal, oauthClient, target, agentId }: LockableSession,
  at = new Date(),
): LiveLock | undefined {
  return locks.on({ principal, client: oauthClient, session: id, agent: agentId, target }, at);
}

function lockOnUse({ locks }: Pick<LiveSnapshot, "locks">, { name, context }: Use, at: Date) {
  return locks.on({ principal: context.principal.id, client: context.client.id, target: name }, at);
}

export function isTargetLocked(
  { locks }: Pick<LiveSnapshot, "locks">,
  target: string,
  at = new Date(),
): boolean {
  return locks.on({ target }, at) !== undefined;
}

/** Whether nobody may call the tool for a lock on it. */
export function isToolLocked(
  { locks }: Pick<LiveSnapshot, "locks">,
  target: string,
  tool: string,
  at = new Date(),
): boolean {
  return locks.on({ target, tool }, at) !== undefined;
}

/** The tools of a target that are locked, also those whose lock is over and not released yet. */
export function lockedToolsOf({ locks }: Pick<LiveSnapshot, "locks">, target: string): readonly string[] {
  const prefix = `${target}/`;
  return locks.all
    .filter(({ kind, subject }) => kind === "tool" && subject.startsWith(prefix))
    .map(({ subject }) => subject.slice(prefix.length))
    .toSorted();
}

export function lockedInWords({ kind, reason }: Pick<LiveLock, "kind" | "reason">): string {
  return `the ${kind} is locked: ${reason}`;
}

export function lockedRefusal(lock: LiveLock, status = 200): GatewayError {
  return new GatewayError({ status, code: RpcErrorCode.AccessRevoked, message: lockedInWords(lock) });
}
