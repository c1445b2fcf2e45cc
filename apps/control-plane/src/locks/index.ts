export { LiveLocks } from "./live-locks.js";
export { type LiveLock, Locks } from "./locks.js";
export { LocksModule } from "./locks.module.js";
