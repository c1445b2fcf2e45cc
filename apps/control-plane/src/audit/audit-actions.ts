/** Every act that is audited. A program that reads the log tests for these; a name never changes its meaning. */
export const AUDIT_ACTIONS = [
  "agent.deleted",
  "agent.joined",
  "agent.quarantined",
  "agent.renewed",
  "certificate_authority.created",
  "certificate_authority.rotated",
  "join_token.created",
  "join_token.refused",
  "join_token.revoked",
  "policy.applied",
  "policy.deleted",
  "recording.exported",
  "recording.read",
  "session.ended",
  "session.refused",
  "target.applied",
  "target.deleted",
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];
