import type { AuditAction } from "./audit-actions.js";

/** Flat and small on purpose: a whole request or document, where a secret could hide, does not fit. */
export type AuditDetails = Readonly<Record<string, string | number | boolean>>;

export interface AuditEntry {
  /** The principal's id; `agent:<id>` for an agent, `system` for the control plane itself. */
  readonly actor: string;
  readonly action: AuditAction;
  /** The id or name of what was acted on. */
  readonly subject: string;
  /** Shown to every auditor: never a token, a key, a password or a payload. */
  readonly details?: AuditDetails;
}
