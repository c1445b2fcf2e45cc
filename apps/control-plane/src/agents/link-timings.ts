/** How long things may take between the control plane and an agent. All in milliseconds. */
export interface LinkTimings {
  /** How often an agent pings. */
  readonly pingInterval: number;
  /** How long an agent may operate after it sent the last ping that was answered. */
  readonly permission: number;
  /** By how much clocks and queues may delay what the permission says. */
  readonly slack: number;
  /** From the start of a control stream to its hello, and of a session stream to its attach. */
  readonly firstFrame: number;
  /** From asking an agent for a session to its stream. */
  readonly attach: number;
  /** How long the old stream of a session may still deliver once a newer one is there. */
  readonly handover: number;
  /** How long a request that was written may still have been lost with its stream. */
  readonly repeat: number;
  /** How often the connected agents are looked over. */
  readonly sweep: number;
  /** How often it is written down that an agent is there. */
  readonly seen: number;
}

/** Injection token. */
export const LINK_TIMINGS = Symbol("LinkTimings");

export const DEFAULT_TIMINGS: LinkTimings = {
  pingInterval: 5_000,
  permission: 15_000,
  slack: 1_000,
  firstFrame: 5_000,
  attach: 10_000,
  handover: 2_000,
  // HTTP/2 keepalive finds a dead connection within 10 s.
  repeat: 15_000,
  sweep: 5_000,
  seen: 30_000,
};
