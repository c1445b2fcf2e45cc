export { LivePolicies } from "./live-policies.js";
export { PoliciesModule } from "./policies.module.js";
