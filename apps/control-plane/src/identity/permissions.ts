import type { Role } from "@drawbridge/contracts";

/** Who may do what in the REST API. A permission that is not a row here does not exist; a route must name one. */
export const PERMISSIONS = {
  "identity:read": ["user"],
  "target:use": ["user"],
  "target:read": ["operator", "admin", "auditor"],
  "target:write": ["operator", "admin"],
  "agent:read": ["operator", "admin", "auditor"],
  "agent:write": ["operator", "admin"],
  "policy:read": ["operator", "admin", "auditor", "approver"],
  "policy:write": ["admin"],
  "policy:backtest": ["admin", "auditor"],
  "session:read": ["user"],
  "session:read_all": ["operator", "admin", "auditor"],
  "session:end": ["operator", "admin"],
  "recording:read": ["user"],
  "recording:read_all": ["auditor"],
  "audit:read": ["auditor", "admin"],
} as const satisfies Record<string, readonly Role[]>;

export type Permission = keyof typeof PERMISSIONS;

export function isPermitted(roles: readonly Role[], permission: Permission): boolean {
  return PERMISSIONS[permission].some((role) => roles.includes(role));
}
