export {
  type PastDecision,
  RecordedOperations,
  type RecordedSession,
  type RecordedStep,
} from "./recorded-operations.js";
export { RecordingReader } from "./recording-reader.js";
export { type Fate, RecordingRecovery } from "./recording-recovery.js";
export { RecordingUnavailableError } from "./recording-unavailable-error.js";
export { RecordingWriter } from "./recording-writer.js";
export { RecordingsModule } from "./recordings.module.js";
export { storedResponse, type StoredResponse } from "./stored-response.js";
