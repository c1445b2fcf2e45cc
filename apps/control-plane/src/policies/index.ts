export { LivePolicies } from "./live-policies.js";
export { operationFrom, type OperationParts } from "./operation-from.js";
export { PoliciesModule } from "./policies.module.js";
export { type LastSeen, SeenPrincipals } from "./seen-principals.js";
