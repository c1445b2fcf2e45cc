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
  // Whom a policy names decides who may be given access and who may review; these only open the doors.
  "access:request": ["user"],
  "access:review": ["user"],
  "access:read_all": ["operator", "admin", "auditor"],
  "grant:read": ["user"],
  "grant:return": ["user"],
  "grant:revoke": ["operator", "admin"],
  "break_glass:review": ["admin", "auditor"],
  "approval:read": ["user"],
  "approval:read_all": ["operator", "admin", "auditor"],
  "approval:decide": ["user"],
  "approval:revoke": ["operator", "admin"],
  "lock:read": ["operator", "admin", "auditor"],
  "lock:write": ["operator", "admin"],
  "event:read": ["user"],
  "notification:read": ["operator", "admin", "auditor"],
  "notification:write": ["admin"],
} as const satisfies Record<string, readonly Role[]>;

export type Permission = keyof typeof PERMISSIONS;

export function isPermitted(roles: readonly Role[], permission: Permission): boolean {
  return PERMISSIONS[permission].some((role) => roles.includes(role));
}
