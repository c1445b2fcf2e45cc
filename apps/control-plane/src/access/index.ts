export { AccessModule } from "./access.module.js";
export { AccessRequests, type AccessToFile, type FiledRequest } from "./access-requests.js";
export { GrantEnds } from "./grant-ends.js";
export { Grants, LiveGrants } from "./live-grants.js";
export { SelfActivation } from "./self-activation.js";
