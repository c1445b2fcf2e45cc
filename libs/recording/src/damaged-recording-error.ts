/**
 * What can be wrong with a recording.
 * - `gap`: events are missing before this one. `out_of_order`: it repeats or precedes one already seen.
 * - `malformed`: its columns or its sealed bytes are no sealed event of a version known here.
 * - `previous_hash_mismatch`, `hash_mismatch`: edited, moved, or from another recording.
 * - `not_authentic`: the chain fits but the key does not open it: forged, or the wrong key.
 * - `undecodable`: it opens but holds no event.
 * - `after_final`: it follows the event that closed the recording.
 * - `truncated`, `head_mismatch`: the recording ends before, or differs from, the head it was expected to have.
 * - `not_final`: it should be closed and is not.
 */
export type RecordingProblem =
  | "gap"
  | "out_of_order"
  | "malformed"
  | "previous_hash_mismatch"
  | "hash_mismatch"
  | "not_authentic"
  | "undecodable"
  | "after_final"
  | "truncated"
  | "head_mismatch"
  | "not_final";

/** A recording that is not what was written. Says where and what, never quotes content. */
export class DamagedRecordingError extends Error {
  override readonly name = "DamagedRecordingError";
  readonly recordingId: string;
  /** The index of the event where it was noticed. */
  readonly index: number;
  readonly problem: RecordingProblem;

  constructor(place: RecordingPlace, message: string, options?: ErrorOptions) {
    super(`recording ${place.recordingId}, event ${place.index}: ${message}`, options);
    this.recordingId = place.recordingId;
    this.index = place.index;
    this.problem = place.problem;
  }
}

export interface RecordingPlace {
  readonly recordingId: string;
  readonly index: number;
  readonly problem: RecordingProblem;
}
