import { Inject, Injectable, Logger } from "@nestjs/common";
import { status } from "@grpc/grpc-js";
import {
  type ConnectRequest,
  type ConnectRequest_Hello as Hello,
  type SessionRequest,
  type SessionRequest_Attach as Attach,
} from "@drawbridge/protocol";
import { CONFIG, type Config } from "../config.js";
import { AgentAdmission } from "./agent-admission.js";
import { type ControlCall, endCall, finishCall, framesOf, isOver, type SessionCall } from "./agent-calls.js";
import { type AgentIdentity, identityOf } from "./agent-identity.js";
import { AgentLinks } from "./agent-links.js";
import { AgentNews } from "./agent-news.js";
import { ConnectedAgent } from "./connected-agent.js";
import { LINK_TIMINGS, type LinkTimings } from "./link-timings.js";
import { RefusedCall, statusOf } from "./refused-call.js";

const MAX_KEPT_SESSIONS = 2_000;
const MAX_FEATURES = 64;
const MAX_NAME_LENGTH = 64;

/** AgentService of the protocol. Every call proves an agent's certificate; nothing else is asked who it is. */
@Injectable()
export class AgentServiceHandler {
  private readonly logger = new Logger("agents");

  constructor(
    private readonly admission: AgentAdmission,
    private readonly links: AgentLinks,
    @Inject(LINK_TIMINGS) private readonly timings: LinkTimings,
    @Inject(CONFIG) private readonly config: Config,
    private readonly news: AgentNews,
  ) {}

  connect(call: ControlCall): void {
    void this.run(call, () => this.serveControl(call));
  }

  session(call: SessionCall): void {
    void this.run(call, () => this.serveSession(call));
  }

  private async serveControl(call: ControlCall): Promise<void> {
    const identity = identityOf(call);
    const frames = framesOf<ConnectRequest>(call);
    const admitted = await this.admission.admit(identity);
    const hello = await this.firstFrame(frames, helloOf, "hello");
    if (this.links.isDraining)
      throw new RefusedCall(status.UNAVAILABLE, "the control plane is shutting down");
    const epoch = await this.admission.beginConnection(identity, hello);
    const { agentId, serial, certificateEndsAt } = identity;
    const { keptSessions } = hello;
    const { group } = admitted;
    const agent = new ConnectedAgent({
      call,
      agentId,
      group,
      epoch,
      serial,
      certificateEndsAt,
      keptSessions,
      features: hello.features,
    });
    call.write({ frame: { $case: "welcome", value: this.welcome(agent) } });
    this.links.add(agent);
    this.logger.log("an agent connected", { agent: agentId, group, epoch, kept: keptSessions.length });
    this.news.connected(admitted);
    try {
      // A lock of this moment may have been looked for among the connected before it was here.
      await this.admission.refuseLocked(admitted);
      for await (const frame of frames) await this.receive(agent, frame);
    } finally {
      this.links.remove(agent);
      if (!this.links.find(agentId)) this.news.disconnected(admitted);
      this.logger.log("an agent's connection ended", { agent: agentId, epoch });
    }
  }

  private welcome({ agentId, epoch }: ConnectedAgent) {
    return {
      agentId,
      epoch,
      pingIntervalMs: this.timings.pingInterval,
      permissionMs: this.timings.permission,
      maxMessageBytes: this.config.maxMessageBytes,
    };
  }

  private async receive(agent: ConnectedAgent, { frame }: ConnectRequest): Promise<void> {
    switch (frame?.$case) {
      case "ping":
        return agent.pong(frame.value.sequence);
      case "sessionEnded":
        this.links.sessionEnded(agent, frame.value.sessionId, frame.value.reason);
        return;
      case "targetHealth":
        this.links.targetHealth(agent, frame.value);
        return;
      case "hello":
      case undefined:
        throw new RefusedCall(status.INVALID_ARGUMENT, "a control stream carries one hello and known frames");
      default:
        frame satisfies never;
    }
  }

  private async serveSession(call: SessionCall): Promise<void> {
    const identity = identityOf(call);
    const frames = framesOf<SessionRequest>(call);
    const attach = await this.firstFrame(frames, attachOf, "attach");
    const agent = await this.liveLink(identity, attach.epoch);
    const session = await this.links.attach(agent, call, attach);
    for await (const frame of frames) await session.receive(frame);
  }

  /** A session stream belongs to the agent's live control stream and proves the same certificate. */
  private async liveLink(identity: AgentIdentity, epoch: number): Promise<ConnectedAgent> {
    const agent = this.links.find(identity.agentId);
    if (agent?.serial === identity.serial && agent.epoch === epoch) return agent;
    await this.admission.admit(identity);
    throw new RefusedCall(
      status.FAILED_PRECONDITION,
      "the control stream of this epoch is over; connect first",
    );
  }

  private async firstFrame<Frame, Value>(
    frames: AsyncIterator<Frame, undefined>,
    read: (frame: Frame) => Value | undefined,
    name: string,
  ): Promise<Value> {
    const late = new RefusedCall(status.DEADLINE_EXCEEDED, `the first frame, ${name}, did not come in time`);
    const { promise: deadline, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(late), this.timings.firstFrame);
    try {
      const next = await Promise.race([frames.next(), deadline]);
      const first = next.done ? undefined : read(next.value);
      if (first === undefined)
        throw new RefusedCall(status.INVALID_ARGUMENT, `the first frame must be a valid ${name}`);
      return first;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs a call to its end and gives it its status. */
  private async run(call: ControlCall | SessionCall, serve: () => Promise<void>): Promise<void> {
    try {
      await serve();
      finishCall(call);
    } catch (error) {
      // A call that broke, or that somebody here has ended, throws as well: it has its status.
      if (!isOver(call)) endCall(call, statusOf(error));
    }
  }
}

function helloOf({ frame }: ConnectRequest): Hello | undefined {
  if (frame?.$case !== "hello") return undefined;
  const { agentVersion, features, keptSessions } = frame.value;
  const isBounded =
    agentVersion.length <= MAX_NAME_LENGTH &&
    features.length <= MAX_FEATURES &&
    keptSessions.length <= MAX_KEPT_SESSIONS &&
    [...features, ...keptSessions].every((name) => name.length <= MAX_NAME_LENGTH);
  return isBounded ? frame.value : undefined;
}

function attachOf({ frame }: SessionRequest): Attach | undefined {
  return frame?.$case === "attach" && frame.value.sessionId.length <= MAX_NAME_LENGTH
    ? frame.value
    : undefined;
}
