import { z } from "zod";
import { Timestamp } from "./names.js";
import { PlainText } from "./plain-text.js";
import { pageOf, PageQuery } from "./pages.js";
import { SessionView } from "./sessions.js";

export const RecordingView = SessionView.extend({
  events: z.number().int(),
  calls: z.number().int(),
  endedAt: Timestamp.nullable(),
});
export type RecordingView = z.infer<typeof RecordingView>;
export const RecordingPage = pageOf(RecordingView);

export const RecordingQuery = PageQuery.extend({
  target: PlainText.max(63).optional(),
  principal: PlainText.max(255).optional(),
});
export type RecordingQuery = z.infer<typeof RecordingQuery>;

/** One event of a recording, opened. `payload` is the masked message exactly as it was said. */
export const RecordingEventView = z.object({
  index: z.number().int(),
  at: Timestamp,
  kind: z.string(),
  direction: z.enum(["client_to_target", "target_to_client", "none"]),
  exchange: z.number().int(),
  method: z.string().optional(),
  name: z.string().optional(),
  attributes: z.record(z.string(), z.unknown()),
  payload: z.string().optional(),
  payloadEncoding: z
    .enum(["utf-8", "base64"])
    .optional()
    .meta({ description: "base64 when the payload is no text" }),
});
export type RecordingEventView = z.infer<typeof RecordingEventView>;
export const RecordingEventPage = pageOf(RecordingEventView);

/** The result of checking a recording's hash chain. */
export const RecordingVerification = z.object({
  ok: z.boolean(),
  events: z.number().int().meta({ description: "How many are sound, from the first on" }),
  head: z.string().meta({ description: "SHA-256 of the newest sound event, hex" }),
  final: z.boolean().meta({ description: "Whether the last event closed the recording" }),
  problem: z.string().optional(),
});
export type RecordingVerification = z.infer<typeof RecordingVerification>;
