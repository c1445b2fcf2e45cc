import { createMasker, UnmaskableError } from "@drawbridge/masking";
import { parseMessage } from "@drawbridge/mcp";
import { expect, test } from "vitest";
import type { Clock } from "../../platform/clock.js";
import type { RecordingWriter } from "../../recordings/index.js";
import { Recorder } from "./recorder.js";

const MIB = 1024 * 1024;
const recorder = new Recorder({} as RecordingWriter, {} as Clock);

const call = (text: string) =>
  parseMessage(
    Buffer.from(
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":"${text}"}}}`,
    ),
  );

test("the copy of a large message is the same, and others have their turn while it is made", async () => {
  const message = call("write to ann@example.com or ".repeat(MIB / 14));
  let turns = 0;
  const others = setInterval(() => (turns += 1), 0);
  const { payload, masked } = await recorder.maskedCopy(message);
  clearInterval(others);
  const whole = createMasker({ maxMillis: 60_000 }).maskMessage(message.bytes);
  expect(Buffer.compare(payload, whole.payload)).toBe(0);
  expect(masked).toEqual(whole.masked);
  expect(Object.keys(masked)).not.toEqual([]);
  expect(turns).toBeGreaterThan(10);
});

test("a large message that cannot be masked has no copy", async () => {
  // The name of a secret comes long after its value.
  const late = JSON.stringify(`[{"value":"${"x".repeat(MIB)}","name":"password"}]`).slice(1, -1);
  await expect(recorder.maskedCopy(call(late))).rejects.toThrow(UnmaskableError);
});
