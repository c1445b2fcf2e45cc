import { createMasker } from "@drawbridge/masking";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { StderrText } from "./stderr-text.js";

const TOKEN = `ghp_${"0123456789abcdefghijABCDEFGHIJ".repeat(2).slice(0, 36)}`;
const KEY_LINE = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us";
const KEY = `-----BEGIN PRIVATE KEY-----\n${`${KEY_LINE}\n`.repeat(26)}-----END PRIVATE KEY-----\n`;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

class Recorded {
  readonly stderr: StderrText;
  text = "";

  constructor(bytesPerSecond = 10_000_000) {
    const masker = createMasker();
    this.stderr = new StderrText({
      bytesPerSecond,
      now: () => performance.now(),
      onText: (text) => (this.text += masker.maskText(text).text),
    });
  }

  write(text: string, chunkBytes: number, pauseMs = 0): this {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      this.stderr.push(bytes.subarray(at, at + chunkBytes));
      vi.advanceTimersByTime(pauseMs);
    }
    return this;
  }

  end(): string {
    this.stderr.end();
    return this.text;
  }
}

describe("what a child writes to stderr", () => {
  test("comes as it is, last line and all", () => {
    expect(new Recorded().write("one\ntwo — drei\nthree", 3).end()).toBe("one\ntwo — drei\nthree\n");
  });

  test.each([64, 1_000, 4_096, 65_536])("keeps a key together that comes in pieces of %i bytes", (bytes) => {
    const recorded = new Recorded().write("a line of the log\n".repeat(3_600) + KEY, bytes).end();
    expect(recorded).not.toContain(KEY_LINE);
    expect(recorded).toContain("a line of the log");
  });

  test("keeps a key together that is written slowly", () => {
    expect(new Recorded().write(KEY, 400, 250).end()).not.toContain(KEY_LINE);
  });

  test("does not wait for ever for the end of what looks like a key", () => {
    const recorded = new Recorded().write("-----BEGIN something\nafter\n", 100);
    vi.advanceTimersByTime(3_000);
    expect(recorded.text).not.toBe("");
  });

  test.each([60_000, 65_500, 65_520, 65_536, 131_000])(
    "shows no half of a token %i bytes into a line",
    (before) => {
      for (const chunk of [4_096, 65_536]) {
        const line = `${"x".repeat(before)} ${TOKEN} ${"y".repeat(30_000)}\nnext\n`;
        const recorded = new Recorded().write(line, chunk).end();
        expect(recorded).not.toMatch(/ghp_[0-9a-z]{4}|ghijABCD/);
        expect(recorded.endsWith("next\n")).toBe(true);
      }
    },
  );

  test("shows no half of a token of which the rest was too much", () => {
    const recorded = new Recorded(1_000);
    recorded.write(`start ${TOKEN.slice(0, 20)}`, 100).write("z".repeat(2_000), 2_000);
    vi.advanceTimersByTime(1_500);
    const text = recorded.write(`${TOKEN.slice(20)} end\nnext\n`, 100).end();
    expect(text).toContain("start ");
    expect(text).toContain("2000 bytes of stderr were too many to record");
    expect(text).not.toMatch(/ghp_|ABCDEF/);
    expect(text).toContain("next\n");
  });
});
