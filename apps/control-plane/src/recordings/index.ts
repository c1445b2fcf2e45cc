export { RecordingRecovery } from "./recording-recovery.js";
export { RecordingUnavailableError, type RecordingFailure } from "./recording-unavailable-error.js";
export { type RecordEntry, RecordingWriter } from "./recording-writer.js";
export { RecordingsModule } from "./recordings.module.js";
