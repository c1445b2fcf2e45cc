/**
 * Why an event could not be recorded.
 * - `overloaded`: too much waits to be written already.
 * - `database`: the database refused it, did not answer, or was lost before it answered; it may be stored or not.
 * - `ended`: the recording is closed. `not_found`: there is no such recording.
 * - `damaged`: the recording's key or its newest event cannot be used.
 * - `not_recordable`: the event itself breaks the format: too large, or no plain data.
 */
export type RecordingFailure =
  | "overloaded"
  | "database"
  | "ended"
  | "not_found"
  | "damaged"
  | "not_recordable";

/** What was to be recorded certainly or possibly is not durable: do not send it, do not deliver it. */
export class RecordingUnavailableError extends Error {
  override readonly name = "RecordingUnavailableError";

  constructor(
    readonly reason: RecordingFailure,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
