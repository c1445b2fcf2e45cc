export { createRecorder, event, openSession, request, response, until } from "./test-recorder.js";
// For recoveries that a test starts at another time.
export { RecordingEventsRepository } from "../recording-events.repository.js";
export { RecordingsRepository } from "../recordings.repository.js";
