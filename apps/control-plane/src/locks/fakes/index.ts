// For tests of other features that lock somebody as it really happens, without going through HTTP.
export { LocksService } from "../locks.service.js";
