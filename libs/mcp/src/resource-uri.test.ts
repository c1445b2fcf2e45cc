import { describe, expect, test } from "vitest";
import { isPlainUri } from "./resource-uri.js";

describe("a URI", () => {
  test.each([
    "file:///srv/public/a.txt",
    "file:///srv/public/.env",
    "file:///srv/public/..a/b../...",
    "file:///srv/%20with%20blanks%25",
    "demo://resource/static/document/architecture.md",
    "gitlab://group%2Fproject/readme",
    "postgres://db/table?limit=1.5#row",
    "note:1",
    "file:///srv/größe",
    "file:///{path}",
  ])("such as %s is read in one way", (uri) => {
    expect(isPlainUri(uri)).toBe(true);
  });

  test.each([
    "file:///srv/public/../secret",
    "file:///srv/public/..",
    "file:///srv/./secret",
    "file:///srv/public/%2e%2e/secret",
    "file:///srv/public/%2E./secret",
    "file:///srv/public/..%2fsecret",
    "file:///srv/public%2f..%2Fsecret",
    "file:///srv/public/..\\secret",
    "file:///srv/public%5c..%5csecret",
    "file:///srv/public/..?x",
    "file:///srv/%73ecret",
    "file:///srv/sec\tret",
    "file:///srv/secret ",
    "file:///srv/sec\u0085ret",
  ])("such as %j is not", (uri) => {
    expect(isPlainUri(uri)).toBe(false);
  });
});
