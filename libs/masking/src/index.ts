export { createMasker, type Masker } from "./masker.js";
export type { MaskedCounts } from "./masked-counts.js";
export { KINDS, type Kind, type MaskingProfile } from "./profile.js";
export { UnmaskableError, type UnmaskableReason } from "./unmaskable.js";
export type { MaskStream } from "./stream/mask-stream.js";
