import { Injectable, Logger } from "@nestjs/common";
import { jsonView, type McpRequest, type McpResponse, RpcErrorCode } from "@drawbridge/mcp";
import {
  AgentLinks,
  AgentUnavailableError,
  type SessionLink,
  type ToolsFromTarget,
} from "../../agents/index.js";
import { Limits } from "../../limits/index.js";
import { GatewayError, unknownSession } from "../gateway-error.js";
import { listsAnnouncedBy } from "../decisions/changed-lists.js";
import type { GatewaySession } from "./gateway-session.js";
import { LiveState } from "../decisions/live-state.js";
import { OpenSessions } from "./open-sessions.js";
import { SessionStorage } from "./session-storage.js";
import { TargetTraffic } from "../traffic/target-traffic.js";
import { TaskOwnership } from "../decisions/task-ownership.js";

/** Connects and ends sessions. What must survive a restart is in Postgres. */
@Injectable()
export class SessionsService {
  private readonly logger = new Logger("sessions");
  private readonly open = new OpenSessions();
  private readonly traffic = new WeakMap<GatewaySession, TargetTraffic>();
  private readonly endListeners: ((id: string) => Promise<void>)[] = [];
  private readonly endings = new WeakMap<GatewaySession, Promise<void>>();

  constructor(
    private readonly storage: SessionStorage,
    private readonly links: AgentLinks,
    private readonly live: LiveState,
    private readonly tasks: TaskOwnership,
    private readonly limits: Limits,
  ) {}

  /** `key`: what its requests are known by; see OpenSessions. */
  add(session: GatewaySession, key: string): void {
    this.open.add(session, key);
  }

  withKey(key: string): GatewaySession | undefined {
    return this.open.withKey(key);
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

  /** Whether the tasks that a request names are those of the session's principal and client. */
  ownsTasks(session: GatewaySession, request: McpRequest): Promise<boolean | undefined> {
    return this.tasks.ownsAllOf(session, request);
  }

  /** Ends a session here: its target stops, whoever waits is told, and the recording gets its last event. */
  end(session: GatewaySession, reason: string): Promise<void> {
    let ending = this.endings.get(session);
    if (!ending) {
      session.ended = true;
      ending = this.finish(session, reason);
      this.endings.set(session, ending);
    }
    return ending;
  }

  private async finish(session: GatewaySession, reason: string): Promise<void> {
    // First what stops it: a slow database must not keep a target running.
    session.tools.listed();
    const link = await session.link?.catch(() => undefined);
    link?.close(reason);
    await this.traffic.get(session)?.endings.abandon(`the session ended (${reason})`);
    session.eventStream?.end();
    try {
      await this.storage.sessions.close(session.id, reason);
      // Only now: until then a request would take the session up again, and until every exchange has its end in the
      // recording, recovery must see that somebody works on them.
      this.open.remove(session);
      await this.storage.recorder.close(session.id, reason);
      for (const listener of this.endListeners) await listener(session.id);
    } catch (error) {
      this.open.remove(session);
      // The sweep of recordings and the expiry of sessions finish what could not be written now.
      this.logger.warn(
        "the end of a session could not be written yet",
        error instanceof Error ? error.message : undefined,
      );
    }
  }

  /** Called when a session has ended here and that is written down. What it throws is logged: it has to be found again. */
  onEnd(listener: (id: string) => Promise<void>): void {
    this.endListeners.push(listener);
  }

  /** Ends a session here, if this replica has it open. */
  async endById(id: string, reason: string): Promise<void> {
    const session = this.byId(id);
    if (session) await this.end(session, reason);
  }

  get all(): Iterable<GatewaySession> {
    return this.open.all;
  }

  byId(id: string): GatewaySession | undefined {
    return this.open.withId(id);
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
      era: session.era,
      listener: traffic,
    });
    if (session.ended) {
      link.close("the session ended");
      throw unknownSession();
    }
    if (session.agentId !== link.agentId) {
      session.agentId = link.agentId;
      // Decided before anybody knew at which agent it would run: a lock of that one is about it.
      for (const exchange of session.inFlight)
        exchange.question = { ...exchange.question, agentId: link.agentId };
      session.targetRevision = target.revision;
      const { agentId, targetRevision } = session;
      await this.storage.sessions.negotiated(session.id, { agentId, targetRevision });
    }
    return link;
  }

  trafficOf(session: GatewaySession): TargetTraffic {
    let traffic = this.traffic.get(session);
    if (!traffic) {
      traffic = new TargetTraffic(session, {
        recorder: this.storage.recorder,
        reader: this.storage.reader,
        live: this.live,
        tasks: this.tasks,
        limits: this.limits,
        isOpen: ({ id }) => this.storage.sessions.isOpen(id),
        onInitialized: (initialized, response) => this.negotiated(initialized, response),
        onVersions: (versions) => this.learned(session, versions),
        onTools: (listed) => this.showed(session, listed),
        onEnded: (ended, reason) => this.end(ended, reason),
      });
      this.traffic.set(session, traffic);
    }
    return traffic;
  }

  /**
   * Has the agent list the tools of the target. Resolves when they are known, or cannot be: of a tool that nobody knows
   * the agent makes sure that the target does not show it.
   */
  async listTools(session: GatewaySession): Promise<void> {
    const isOpening = session.era === "legacy" && session.protocolVersion === undefined;
    if (isOpening) return;
    await session.tools.ask(async () => {
      const link = await this.linkOf(session);
      if (link.checksTools) link.listTools();
      else session.tools.listed();
    });
  }

  private async showed(session: GatewaySession, listed: ToolsFromTarget): Promise<void> {
    const { tools, complete, failure } = listed;
    session.tools.hear(listed);
    try {
      await this.live.pins.observe({ id: session.targetId, name: session.target }, tools);
    } catch (error) {
      // What nobody knows nobody is shown, and the agent lets nothing pass that is not as it was accepted.
      const reason = error instanceof Error ? error.message : undefined;
      this.logger.warn("what a target shows could not be written down", reason);
    }
    if (failure !== undefined) this.logger.warn("the tools of a target could not be listed", failure);
    if (complete || failure !== undefined) session.tools.listed();
  }

  private async learned(session: GatewaySession, versions: readonly string[]): Promise<void> {
    try {
      await this.live.revisions.learned({ id: session.targetId, revision: session.targetRevision }, versions);
    } catch (error) {
      // The next session asks the agent again.
      const reason = error instanceof Error ? error.message : undefined;
      this.logger.warn("what a target speaks could not be written down", reason);
    }
  }

  private async negotiated(session: GatewaySession, response: McpResponse): Promise<void> {
    if (response.isError || !response.ranges.result) return;
    const [start, end] = response.ranges.result;
    const { protocolVersion } = jsonView(Buffer.from(response.bytes).toString("utf8", start, end)) as {
      protocolVersion?: unknown;
    };
    if (typeof protocolVersion !== "string") return;
    session.protocolVersion = protocolVersion;
    session.announcedLists = listsAnnouncedBy(response);
    await this.storage.sessions.negotiated(session.id, { protocolVersion: protocolVersion.slice(0, 32) });
  }
}
