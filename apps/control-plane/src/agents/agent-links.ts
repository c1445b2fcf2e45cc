import { setTimeout as sleep } from "node:timers/promises";
import { Inject, Injectable } from "@nestjs/common";
import { status } from "@grpc/grpc-js";
import type {
  ConnectRequest_TargetHealth as Health,
  SessionRequest_Attach as Attach,
} from "@drawbridge/protocol";
import { CONFIG, type Config } from "../config.js";
import { Clock } from "../platform/clock.js";
import type { SessionCall } from "./agent-calls.js";
import type { ConnectedAgent } from "./connected-agent.js";
import { LINK_TIMINGS, type LinkTimings } from "./link-timings.js";
import { LinkedSession } from "./linked-session.js";
import { type CallStatus, RefusedCall } from "./refused-call.js";
import { AgentUnavailableError, type OpenSessionLink, type SessionLink } from "./session-link.js";
import type { FailingTarget } from "./target-health.js";

const MAX_SESSIONS_PER_AGENT = 1_000;
// Longer than anybody takes a note of another replica for the truth.
const LAST_HEARD_KEPT_MS = 60_000;
const POLL_MS = 50;

/** The agents that are connected to this replica, and the sessions at them. All of it can be rebuilt. */
@Injectable()
export class AgentLinks {
  readonly #agents = new Map<string, ConnectedAgent>();
  readonly #sessions = new Map<string, LinkedSession>();
  readonly #byAgent = new Map<string, Set<LinkedSession>>();
  // When a session ended: an agent that was away then and comes back with it is told.
  readonly #ended = new Map<string, number>();
  // When an agent that is away was last heard of.
  readonly #lastHeard = new Map<string, number>();
  readonly #startedAt = performance.now();
  #isDraining = false;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LINK_TIMINGS) private readonly timings: LinkTimings,
    private readonly clock: Clock,
  ) {}

  /** True when a session for this group could be opened now. */
  isOnline(group: string): boolean {
    return this.#leastBusy(group) !== undefined;
  }

  /** What is wrong with a target where it fails most in a row; undefined when no agent that is here reports it. */
  failing(targetName: string): FailingTarget | undefined {
    let worst: FailingTarget | undefined;
    for (const { health } of this.#agents.values()) {
      const failing = health.of(targetName);
      if (failing && failing.failures > (worst?.failures ?? 0)) worst = failing;
    }
    return worst;
  }

  /** Whether other control planes may hold agents as well: they have Redis in common. */
  get hasReplicas(): boolean {
    return this.config.redisUrl !== undefined;
  }

  /**
   * Opens a session at an agent, or takes up the one that `agentId` still holds.
   * @throws AgentUnavailableError when no agent takes it; nothing was sent then
   */
  async open(request: OpenSessionLink): Promise<SessionLink> {
    if (this.#sessions.has(request.sessionId)) throw new Error("the session is open here already");
    const agent = await this.#choose(request);
    const session = this.#newSession(request, agent);
    const parked = agent.unpark(request.sessionId);
    if (parked) {
      await session.attach(parked.call, { resumed: true, isAccepted: true });
      parked.adopt(session);
    } else {
      agent.openSession(request.sessionId);
    }
    await session.opened();
    return session;
  }

  // ── for the handlers of the agents' calls ──────────────────────────────────────────────────────────────────────

  get connected(): readonly ConnectedAgent[] {
    return [...this.#agents.values()];
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  find(agentId: string): ConnectedAgent | undefined {
    return this.#agents.get(agentId);
  }

  /** When this replica last heard of an agent that is away now; undefined when it knows nothing of it. */
  lastHeardAgo(agentId: string): number | undefined {
    const at = this.#lastHeard.get(agentId);
    return at === undefined ? undefined : performance.now() - at;
  }

  sessionCount(agentId: string): number {
    return (this.#byAgent.get(agentId)?.size ?? 0) + (this.#agents.get(agentId)?.parkedCount ?? 0);
  }

  /** Takes up a new control stream. The newest of an agent wins, whatever order they come in. */
  add(agent: ConnectedAgent): void {
    const before = this.#agents.get(agent.agentId);
    if (before && before.epoch > agent.epoch) {
      throw new RefusedCall(status.ABORTED, "a newer connection of this agent serves already");
    }
    this.#agents.set(agent.agentId, agent);
    this.#lastHeard.delete(agent.agentId);
    before?.end({ code: status.ABORTED, details: "a newer connection of this agent took over" });
    this.#reconcile(agent);
  }

  /** The control stream is over. Its sessions wait for the agent as long as it may operate without us. */
  remove(agent: ConnectedAgent): void {
    if (this.#agents.get(agent.agentId) !== agent) return;
    this.#agents.delete(agent.agentId);
    this.#lastHeard.set(agent.agentId, agent.lastPingAt);
    agent.end({ code: status.UNAVAILABLE, details: "the control stream is over" });
    const remaining = agent.lastPingAt + this.#window - performance.now();
    for (const session of this.#sessionsOf(agent.agentId)) session.expectBack(remaining);
  }

  /** Finds the session a stream belongs to. Waits while nobody uses it, which keeps the stream unread. */
  async attach(
    agent: ConnectedAgent,
    call: SessionCall,
    { sessionId, resumed }: Attach,
  ): Promise<LinkedSession> {
    const session = this.#sessions.get(sessionId);
    if (session?.agentId === agent.agentId) {
      await session.attach(call, { resumed, isAccepted: false });
      return session;
    }
    if (resumed && agent.kept.has(sessionId)) return agent.park(sessionId, call, this.config.sessionIdleMs);
    throw new RefusedCall(status.NOT_FOUND, "this session is not expected here");
  }

  /** The agent ended a session on its own. */
  sessionEnded(agent: ConnectedAgent, sessionId: string, reason: string): void {
    agent.kept.delete(sessionId);
    const session = this.#sessions.get(sessionId);
    if (session?.agentId === agent.agentId) session.end(reason);
  }

  /** The agent says how one of its targets fares. */
  targetHealth(agent: ConnectedAgent, health: Health): void {
    agent.health.report(health, this.clock.now());
  }

  /** Ends everything of an agent that may no longer connect. */
  evict(agentId: string, reason: CallStatus, sessionsEnd: string): void {
    const agent = this.#agents.get(agentId);
    this.#agents.delete(agentId);
    this.#lastHeard.delete(agentId);
    agent?.end(reason);
    for (const session of this.#sessionsOf(agentId)) session.end(sessionsEnd);
  }

  /** Has the agent stop everything that it runs, also what nobody here has taken up. */
  stopSessions(agentId: string, reason: string): void {
    const agent = this.#agents.get(agentId);
    if (!agent) return;
    const running = new Set([...agent.kept, ...this.#sessionsOf(agentId).map(({ sessionId }) => sessionId)]);
    for (const sessionId of running) agent.closeSession(sessionId, reason);
  }

  /** Forgets what can no longer matter. */
  tidy(): void {
    const oldest = performance.now() - this.#window;
    for (const [id, at] of this.#ended) if (at < oldest) this.#ended.delete(id);
    for (const [id, at] of this.#lastHeard) if (at < oldest - LAST_HEARD_KEPT_MS) this.#lastHeard.delete(id);
    for (const session of this.#sessions.values()) session.forgetConfirmed();
  }

  /** This replica goes away: agents connect elsewhere and keep what runs. */
  drain(): void {
    this.#isDraining = true;
    for (const agent of this.#agents.values()) agent.drain();
  }

  stop(): void {
    this.#isDraining = true;
    for (const session of this.#sessions.values()) session.release();
    for (const agent of this.#agents.values()) {
      agent.end({ code: status.UNAVAILABLE, details: "the control plane is shutting down" });
    }
    this.#agents.clear();
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** How long an agent that is away may still hold its sessions. */
  get #window(): number {
    return this.timings.permission + this.timings.slack;
  }

  #sessionsOf(agentId: string): readonly LinkedSession[] {
    return [...(this.#byAgent.get(agentId) ?? [])];
  }

  #leastBusy(group: string): ConnectedAgent | undefined {
    if (this.#isDraining) return undefined;
    let best: { agent: ConnectedAgent; count: number } | undefined;
    for (const agent of this.#agents.values()) {
      const count = this.sessionCount(agent.agentId);
      if (agent.group === group && count < (best?.count ?? MAX_SESSIONS_PER_AGENT)) best = { agent, count };
    }
    return best?.agent;
  }

  async #choose({ agentId, group, sessionId }: OpenSessionLink): Promise<ConnectedAgent> {
    const agent = agentId === undefined ? this.#leastBusy(group) : await this.#awaitAgent(agentId);
    if (!agent)
      throw new AgentUnavailableError(`no agent of the group ${group} is connected; start one and try again`);
    if (agentId !== undefined && !agent.kept.has(sessionId)) {
      throw new AgentUnavailableError("the target of this session is gone; initialize again");
    }
    return agent;
  }

  /** Waits for one agent while it may still come back with its sessions. */
  async #awaitAgent(agentId: string): Promise<ConnectedAgent | undefined> {
    const lastHeard = Math.max(this.#startedAt, this.#lastHeard.get(agentId) ?? 0);
    while (!this.#isDraining) {
      const agent = this.#agents.get(agentId);
      if (agent || performance.now() - lastHeard > this.#window) return agent;
      await sleep(POLL_MS);
    }
    return undefined;
  }

  #newSession(request: OpenSessionLink, agent: ConnectedAgent): LinkedSession {
    const { sessionId, definition, era, listener } = request;
    const { agentId } = agent;
    const session = new LinkedSession({
      sessionId,
      agentId,
      definition,
      era,
      listener,
      timings: this.timings,
      maxMessageBytes: this.config.maxMessageBytes,
      checksTools: agent.checksTools,
      mustResume: request.agentId !== undefined,
      onOver: (over) => this.#forget(over),
      stopAtAgent: (reason) => this.#agents.get(agentId)?.closeSession(sessionId, reason),
    });
    this.#sessions.set(sessionId, session);
    const siblings = this.#byAgent.get(agentId) ?? new Set();
    this.#byAgent.set(agentId, siblings.add(session));
    return session;
  }

  #forget(session: LinkedSession): void {
    if (this.#sessions.get(session.sessionId) === session) this.#sessions.delete(session.sessionId);
    const siblings = this.#byAgent.get(session.agentId);
    siblings?.delete(session);
    if (siblings?.size === 0) this.#byAgent.delete(session.agentId);
    this.#agents.get(session.agentId)?.kept.delete(session.sessionId);
    this.#ended.set(session.sessionId, performance.now());
  }

  /** Compares what the agent brought with what is expected of it. */
  #reconcile(agent: ConnectedAgent): void {
    for (const sessionId of agent.kept) {
      if (!this.#ended.has(sessionId)) continue;
      agent.kept.delete(sessionId);
      agent.closeSession(sessionId, "the session ended while the agent was away");
    }
    for (const session of this.#sessionsOf(agent.agentId)) {
      if (!agent.kept.has(session.sessionId)) session.end("the agent came back without the session");
    }
  }
}
