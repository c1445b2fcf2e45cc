export { LiveTargets } from "./live-targets.js";
export { TargetRevisions } from "./target-revisions.js";
export { TargetsModule } from "./targets.module.js";
export type { Target } from "./targets.repository.js";
