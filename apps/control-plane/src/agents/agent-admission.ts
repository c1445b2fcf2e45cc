import { Injectable, Logger } from "@nestjs/common";
import { status } from "@grpc/grpc-js";
import { type ConnectRequest_Hello, Isolation } from "@drawbridge/protocol";
import { LiveLocks } from "../locks/index.js";
import { Clock } from "../platform/clock.js";
import { Database } from "../platform/database.js";
import type { AgentIdentity } from "./agent-identity.js";
import { AgentQuarantine } from "./agent-quarantine.js";
import { type Agent, AgentsRepository } from "./agents.repository.js";
import { DAY_MS } from "./certificates.js";
import { lockedStatus, RefusedCall } from "./refused-call.js";

const ISOLATION = {
  [Isolation.UNSPECIFIED]: "none",
  [Isolation.NONE]: "none",
  [Isolation.UID]: "uid",
  [Isolation.BUBBLEWRAP]: "bubblewrap",
  [Isolation.UNRECOGNIZED]: "none",
} as const satisfies Record<Isolation, string>;
// A dial that began with the old certificate may still be under way when the new one is first used elsewhere.
const REPLACED_GRACE_MS = 60_000;

/**
 * Decides whether the holder of a certificate is the agent it says. An agent has one certificate in use and at most one
 * it has not used yet; whoever shows another has a copy of the agent's key: a clone, or a machine restored from a backup.
 */
@Injectable()
export class AgentAdmission {
  private readonly logger = new Logger("agents");

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly locks: LiveLocks,
    private readonly quarantine: AgentQuarantine,
  ) {}

  /** @throws RefusedCall */
  async admit({ agentId, serial }: AgentIdentity): Promise<Agent> {
    const agents = new AgentsRepository(this.database.prisma);
    const promoted = await agents.promote(agentId, serial);
    const agent = await agents.find(agentId);
    if (!agent || agent.state === "removed")
      throw denied("this agent was removed; join again with a new token");
    if (agent.state === "quarantined") {
      throw denied(
        "this agent is quarantined because its certificate was used twice; remove it and join again",
      );
    }
    if (promoted) this.logger.log("an agent uses its renewed certificate", { agent: agentId });
    if (serial === agent.currentSerial) {
      await this.refuseLocked(agent);
      return agent;
    }
    if (this.clock.now().getTime() - issuedAt(agent) < REPLACED_GRACE_MS) {
      throw new RefusedCall(
        status.UNAVAILABLE,
        "this certificate was replaced a moment ago; dial with the new one",
      );
    }
    await this.quarantine.begin(agent, serial);
    throw denied(
      "this certificate was replaced long ago: the agent was cloned or restored from a backup. It is quarantined; remove it and join again",
    );
  }

  /** Read afresh: a lock holds for whoever has its name. @throws RefusedCall */
  async refuseLocked({ name }: Pick<Agent, "name">): Promise<void> {
    const lock = await this.locks.ofAgentNamed(name, this.clock.now());
    if (!lock) return;
    const { code, details } = lockedStatus(lock.reason);
    throw new RefusedCall(code, details);
  }

  /** Makes every older connection of the agent stale and notes what it can do. @throws RefusedCall */
  async beginConnection({ agentId, serial }: AgentIdentity, hello: ConnectRequest_Hello): Promise<number> {
    const epoch = await new AgentsRepository(this.database.prisma).beginConnection(agentId, {
      serial,
      version: hello.agentVersion,
      features: hello.features,
      isolation: ISOLATION[hello.isolation],
      at: this.clock.now(),
    });
    // Removed, quarantined or renewed since it was admitted.
    if (epoch === undefined)
      throw new RefusedCall(status.UNAVAILABLE, "the agent changed meanwhile; dial again");
    return epoch;
  }
}

function denied(message: string): RefusedCall {
  return new RefusedCall(status.PERMISSION_DENIED, message);
}

/** When the newest certificate of the agent was issued. */
function issuedAt(agent: Agent): number {
  return agent.certificateEndsAt.getTime() - DAY_MS;
}
