export { limitInWords } from "./limit-in-words.js";
export type { LimitRefusal } from "./limit-refusal.js";
export { type Hold, Limits, type Taken } from "./limits.service.js";
export { LimitsModule } from "./limits.module.js";
