import type { SessionRequest } from "@drawbridge/protocol";

const FRAME_OVERHEAD = 64;

/** What a frame counts for where frames wait: its text, and something for the rest. */
export function frameBytes({ frame }: SessionRequest): number {
  if (frame?.$case === "message" || frame?.$case === "messageChunk")
    return frame.value.payload.length + FRAME_OVERHEAD;
  if (frame?.$case === "toolDefinitions")
    return frame.value.tools.reduce(
      (sum, { name, definition }) => sum + name.length + definition.length + FRAME_OVERHEAD,
      FRAME_OVERHEAD,
    );
  return FRAME_OVERHEAD + (frame?.$case === "stderr" ? frame.value.text.length : 0);
}
