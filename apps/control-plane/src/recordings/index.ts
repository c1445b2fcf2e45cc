export type { RecordEntry } from "./record-entry.js";
export { RecordingRecovery } from "./recording-recovery.js";
export { RecordingUnavailableError, type RecordingFailure } from "./recording-unavailable-error.js";
export { RecordingWriter } from "./recording-writer.js";
export { RecordingsModule } from "./recordings.module.js";
