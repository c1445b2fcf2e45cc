export { AccessModule } from "./access.module.js";
export { Grants, type LiveGrant, LiveGrants } from "./live-grants.js";
