import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { block, jsonText, oneLine, shortened } from "./terminal-text.js";

// Deliberately not the expression under test: what a terminal obeys, by number.
function obeyed(text: string): boolean {
  return Array.from(text).some((character) => {
    const code = character.codePointAt(0) ?? 0;
    const isControl = code < 0x20 || (code >= 0x7f && code <= 0x9f);
    const isBidirectional = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return isControl || isBidirectional || code === 0x2028 || code === 0x2029;
  });
}

describe("text for a terminal", () => {
  it("shows an escape sequence instead of obeying it", () => {
    expect(oneLine("a\u001b[2Jb\u009b1mc\u0007")).toBe(String.raw`a\x1b[2Jb\x9b1mc\x07`);
  });

  it("shows a bidirectional override and an invisible tag", () => {
    expect(oneLine("\u202Egpj.exe\u{e0041}")).toBe(String.raw`\u{202e}gpj.exe\u{e0041}`);
  });

  it("keeps ordinary text of any script, with its joiners", () => {
    expect(oneLine("Zoë 東京 می\u200cخواهم 👩\u200d💻")).toBe("Zoë 東京 می\u200cخواهم 👩\u200d💻");
  });

  it("keeps line breaks and tabs in a block, but no lone carriage return", () => {
    expect(block("a\tb\r\nc\rd")).toBe("a\tb\nc\\rd");
  });

  it("never lets through what a terminal obeys", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(obeyed(oneLine(text))).toBe(false);
        expect(obeyed(block(text).replaceAll(/[\n\t]/g, ""))).toBe(false);
        expect(obeyed(jsonText(text))).toBe(false);
      }),
    );
  });

  it("never changes what a JSON text means", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => {
        expect(JSON.parse(jsonText(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("shortens by characters and never cuts one in two", () => {
    expect(shortened("abc", 3)).toBe("abc");
    expect(shortened("😀😀😀😀", 3)).toBe("😀😀…");
  });
});
