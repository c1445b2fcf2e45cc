import { setTimeout as sleep } from "node:timers/promises";
import { createMasker, type Masker } from "@drawbridge/masking";
import type { Logger } from "pino";
import type { AgentConfig } from "./config.js";
import type { Identity } from "./enrolment/identity.js";
import { Renewal } from "./enrolment/renewal.js";
import type { StateDirectory } from "./enrolment/state-directory.js";
import { Link } from "./link/link.js";
import { SessionRegistry } from "./link/session-registry.js";
import { openTarget } from "./targets/open-target.js";
import { TargetRevisions } from "./targets/revisions.js";
import type { TargetHealth } from "./targets/start-backoff.js";
import { createTargetHost } from "./targets/target-host.js";
import { Watchdog } from "./targets/watchdog.js";

/** Longer than any session takes whose target can be ended at all. */
const STOP_DEADLINE_MS = 15_000;
const SMALLEST_MASKING_LIMIT = 16 * 1024 * 1024;

export interface AgentOptions {
  readonly identity: Identity;
  readonly state: StateDirectory;
  readonly config: AgentConfig;
  /** The agent's own environment; children get the harmless part of it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
}

export interface RunningAgent {
  /** Ends every session and child, then every connection. */
  stop(): Promise<void>;
}

/** Connects to every control plane of the identity and serves them until stopped. */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { config, log, state } = options;
  let identity = options.identity;
  const random = Math.random;

  const watchdog = new Watchdog(log);
  const masker = createMasker({ maxBytes: Math.max(SMALLEST_MASKING_LIMIT, config.limits.messageBytes) });
  const host = createTargetHost({
    allow: config.allow,
    childDirectory: await state.childDirectory(),
    environment: options.environment,
    limits: config.limits,
    watchdog,
    onHealth: (health) => {
      for (const link of links) link.reportHealth(masked(health, masker));
    },
  });
  const revisions = new TargetRevisions(host);
  const sessions = new SessionRegistry({
    maxSessions: config.limits.sessions,
    random,
    session: {
      openTarget: (definition, use) => openTarget(host, definition, use),
      revisions,
      masker,
      bufferedBytes: config.limits.bufferedBytes,
      maxResultBytes: config.limits.maxResultBytes,
      timeouts: { totalMs: config.limits.exchangeTimeoutMs, idleMs: config.limits.idleTimeoutMs },
    },
    log,
  });
  const links: Link[] = identity.controlPlane.map(
    (address) =>
      new Link({
        address,
        identity: () => identity,
        sessions,
        failingTargets: () => host.children.failing.map((health) => masked(health, masker)),
        maxMessageBytes: config.limits.messageBytes,
        random,
        log,
      }),
  );
  const renewal = new Renewal({
    identity: () => identity,
    client: () => links.find((link) => link.connection)?.connection?.client,
    onRenewed: async (renewed) => {
      await state.save(renewed);
      identity = renewed;
      for (const link of links) link.replace();
    },
    random,
    log,
  });

  log.info(
    { agent: identity.agentId, name: identity.agentName, group: identity.agentGroup },
    "agent started",
  );
  for (const link of links) link.start();
  renewal.start();

  return {
    async stop() {
      log.info("agent stops: ending every session");
      renewal.stop();
      const ended = Promise.all([sessions.endAll("the agent is being stopped"), revisions.close()]);
      await Promise.race([ended, sleep(STOP_DEADLINE_MS, undefined, { ref: false })]);
      if (host.children.count > 0)
        log.error(
          { count: host.children.count },
          "processes of targets cannot be killed and are left behind",
        );
      await Promise.all(links.map((link) => link.stop()));
      await watchdog.stop();
      log.info("agent stopped");
    },
  };
}

/** Says nothing rather than what may hold a secret. */
function masked(health: TargetHealth, { maskText }: Masker): TargetHealth {
  try {
    return { ...health, reason: maskText(health.reason).text };
  } catch {
    return { ...health, reason: "" };
  }
}
