import type { SessionRequest_ToolDefinitions as ToolDefinitions } from "@drawbridge/protocol";
import type { ShownTool } from "./tool-page.js";

/** What one tool takes in a frame besides its texts. */
const OVERHEAD_BYTES = 64;

export interface ToolFramesOptions {
  /** They are all tools of the target, as of one listing. */
  readonly isWhole: boolean;
  readonly maxBytes: number;
}

/** Tools in as many frames as they need, at least one: only where one does, it may say that these are all. */
export function toolFrames(
  tools: readonly ShownTool[],
  { isWhole, maxBytes }: ToolFramesOptions,
): readonly ToolDefinitions[] {
  const frames: ToolDefinitions[] = [];
  let frame: ToolDefinitions["tools"] = [];
  let bytes = 0;
  for (const { maskedName, digest, definition } of tools) {
    const fits = definition.length <= maxBytes / 2;
    const tool = {
      name: maskedName,
      digest: asBuffer(digest),
      definition: asBuffer(fits ? definition : NONE),
    };
    const size = Buffer.byteLength(maskedName) + tool.definition.length + OVERHEAD_BYTES;
    if (frame.length > 0 && bytes + size > maxBytes) {
      frames.push({ tools: frame, complete: false, failure: "" });
      frame = [];
      bytes = 0;
    }
    frame.push(tool);
    bytes += size;
  }
  frames.push({ tools: frame, complete: isWhole && frames.length === 0, failure: "" });
  return frames;
}

const NONE = new Uint8Array();

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
