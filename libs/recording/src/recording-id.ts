import { Buffer } from "node:buffer";

const RECORDING_ID = /^[\x21-\x7e]{1,128}$/;

/** Throws RangeError unless the id is 1 to 128 visible ASCII characters, so that no two ids have the same bytes. */
export function recordingIdBytes(recordingId: string): Buffer {
  if (!RECORDING_ID.test(recordingId)) {
    throw new RangeError("a recording id must be 1 to 128 visible ASCII characters");
  }
  return Buffer.from(recordingId, "latin1");
}
