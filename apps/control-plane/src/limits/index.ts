export { type Hold, type LimitedBy, type LimitRefusal, Limits, type Taken } from "./limits.service.js";
export { LimitsModule } from "./limits.module.js";
