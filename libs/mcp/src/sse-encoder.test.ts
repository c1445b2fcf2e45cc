import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeSse, sseComment } from "./sse-encoder.js";
import { SseFramer } from "./sse-framer.js";

describe("encodeSse", () => {
  test("writes the fields that are given, and several lines of data", () => {
    const bytes = encodeSse({ id: "1", event: "e", data: "a\nb\r\nc\rd", retry: 5 });
    expect(Buffer.from(bytes).toString()).toBe(
      "id: 1\nevent: e\nretry: 5\ndata: a\ndata: b\ndata: c\ndata: d\n\n",
    );
    expect(Buffer.from(encodeSse({ data: new Uint8Array() })).toString()).toBe("data: \n\n");
  });

  test("refuses fields that would end the line, and a time that is no whole number", () => {
    expect(() => encodeSse({ id: "1\ndata: x", data: "" })).toThrow(RangeError);
    expect(() => encodeSse({ event: "e\r", data: "" })).toThrow(RangeError);
    expect(() => encodeSse({ retry: 0.5, data: "" })).toThrow(RangeError);
    expect(() => sseComment("a\nb")).toThrow(RangeError);
  });

  test("is read back as it was, with line ends as newlines", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.string({ unit: "grapheme-ascii" }),
        fc.nat(),
        (data, id, retry) => {
          const stream = Buffer.concat([
            sseComment("still here"),
            encodeSse({ id, data, retry }),
            sseComment(),
          ]);
          const framer = new SseFramer(10_000);
          const bytes = Buffer.from(data.replace(/\r\n?/g, "\n"));
          expect(framer.push(stream)).toEqual([{ kind: "whole", event: "message", id, bytes }]);
          expect([framer.lastEventId, framer.retry]).toEqual([id, retry]);
        },
      ),
    );
  });
});
