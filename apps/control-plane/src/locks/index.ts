export { type LiveLock, LiveLocks, type Lockable, Locks } from "./live-locks.js";
export { LockedOut } from "./locked-out.js";
export { LocksModule } from "./locks.module.js";
