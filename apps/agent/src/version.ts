/** Reported to the control plane at join and at every hello. */
export const AGENT_VERSION = "0.1.0";
