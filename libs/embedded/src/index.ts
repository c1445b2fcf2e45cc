export {
  type ChildExit,
  type GuardedChild,
  type GuardedChildOptions,
  type StopSignal,
  spawnGuarded,
} from "./guarded-child.js";
export { DEMO_USERS, type DemoUser } from "./demo-users.js";
export {
  type IdentityProvider,
  type IdentityProviderOptions,
  type TokenWish,
  startIdentityProvider,
} from "./identity-provider.js";
export { findFreePort, isPortFree } from "./ports.js";
export {
  type EmbeddedPostgres,
  type PostgresEvents,
  type PostgresOptions,
  removePostgres,
  startPostgres,
} from "./postgres.js";
export { type DatabaseUrls, withClient } from "./postgres-databases.js";
export { readFileIfPresent, writePrivateFile } from "./private-file.js";
export { commandLine, processIdentity } from "./process-identity.js";
export { type Shop, newShopPassword, seedShop } from "./shop.js";
export { startTemporaryPostgres } from "./temporary-postgres.js";
