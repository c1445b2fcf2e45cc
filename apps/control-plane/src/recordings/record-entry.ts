import type { RecordedEvent } from "@drawbridge/recording";

/** One event and the recording it belongs to. */
export interface RecordEntry {
  /** The session's id. */
  readonly recordingId: string;
  readonly event: RecordedEvent;
  /** In clear, for lists, and sealed among the event's attributes as well. */
  readonly decision?: string | undefined;
  readonly rule?: string | undefined;
}
