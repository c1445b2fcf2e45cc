export type { MaskStream } from "./mask-stream.js";
export { createMasker, type MaskedCounts, type Masker } from "./masker.js";
export { KINDS, type Kind, type MaskingProfile } from "./profile.js";
export { UnmaskableError, type UnmaskableReason } from "./unmaskable.js";
