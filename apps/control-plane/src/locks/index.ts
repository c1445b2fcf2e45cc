export { type LiveLock, LiveLocks, type Lockable, Locks } from "./live-locks.js";
export { LocksModule } from "./locks.module.js";
