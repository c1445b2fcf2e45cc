export { ApiConditions } from "./api-conditions.js";
export { IdentityModule } from "./identity.module.js";
export { isPermitted, type Permission } from "./permissions.js";
export type { Principal } from "./principal.js";
export { bearerChallenge } from "./protected-resource.js";
export { CurrentPrincipal, Requires } from "./requires.js";
export { tokenRefusal } from "./token-refusal.js";
export { TokenError, TokenVerifier } from "./token-verifier.js";
export { isSamePerson, requireRecentSignIn } from "./reviewers.js";
