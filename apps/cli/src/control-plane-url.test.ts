import { describe, expect, it } from "vitest";
import { controlPlaneUrl } from "./control-plane-url.js";
import { EXIT } from "./errors.js";

describe("the address of a control plane", () => {
  it.each([
    ["https://drawbridge.example.com/", "https://drawbridge.example.com"],
    ["https://example.com/drawbridge//", "https://example.com/drawbridge"],
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
    ["http://localhost:8080/", "http://localhost:8080"],
    ["http://[::1]:8080", "http://[::1]:8080"],
  ])("accepts %s", (text, expected) => {
    expect(controlPlaneUrl(text)).toBe(expected);
  });

  it.each([
    "http://drawbridge.example.com",
    "http://127.0.0.1.example.com",
    "http://10.0.0.1:8080",
    "https://user:secret@example.com",
    "https://example.com/?a=b",
    "ftp://example.com",
    "example.com",
  ])("refuses %s", (text) => {
    expect(() => controlPlaneUrl(text)).toThrow(expect.objectContaining({ exitCode: EXIT.usage }));
  });
});
