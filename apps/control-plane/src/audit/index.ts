export { AUDIT_ACTIONS, type AuditAction } from "./audit-actions.js";
export { type AuditDetails, type AuditEntry, AuditLog } from "./audit-log.js";
export { AuditModule } from "./audit.module.js";
