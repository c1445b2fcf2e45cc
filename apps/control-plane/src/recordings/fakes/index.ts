export { createRecorder, event, openSession, request, response, until } from "./test-recorder.js";
