import { Buffer } from "node:buffer";
import fc from "fast-check";
import { expect, test } from "vitest";
import { toExport } from "./event-export.js";
import { anyEvent, event } from "./fixtures/events.js";

test("an export names the time, keeps the text and leaves out what is absent", () => {
  const payload = Buffer.from('\ufeff{"id":12345678901234567890,"a":"é"}');
  expect(toExport(event({ payload, name: undefined, attributes: { masked: { card: 2 } } }))).toStrictEqual({
    kind: "request",
    direction: "client_to_target",
    exchange: 1,
    at: 1_790_000_000_000,
    time: "2026-09-21T14:13:20.000Z",
    method: "tools/call",
    attributes: { masked: { card: 2 } },
    payload: '\ufeff{"id":12345678901234567890,"a":"é"}',
    payloadEncoding: "utf-8",
  });
});

test("a payload that is not UTF-8 is exported as base64", () => {
  expect(toExport(event({ payload: Uint8Array.of(0xff, 0xfe, 0) }))).toMatchObject({
    payload: "//4A",
    payloadEncoding: "base64",
  });
});

test("every export is one line of JSON that gives back the payload's bytes", () => {
  fc.assert(
    fc.property(anyEvent, (original) => {
      const line = JSON.stringify(toExport(original));
      expect(line).not.toContain("\n");
      const read = JSON.parse(line) as ReturnType<typeof toExport>;
      expect(read).toStrictEqual(toExport(original));
      const encoding = read.payloadEncoding === "utf-8" ? "utf8" : "base64";
      expect(Buffer.from(read.payload, encoding).equals(Buffer.from(original.payload))).toBe(true);
    }),
  );
});
