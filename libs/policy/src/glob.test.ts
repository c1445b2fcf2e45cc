import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { compileGlob } from "./glob.js";

describe("a glob", () => {
  test.each([
    { glob: "read_file", name: "read_file", matches: true },
    { glob: "read_file", name: "read_files", matches: false },
    { glob: "read_file", name: "Read_file", matches: false },
    { glob: "*", name: "", matches: true },
    { glob: "*", name: "a/b\nc", matches: true },
    { glob: "execute_*", name: "execute_sql", matches: true },
    { glob: "execute_*", name: "execute_", matches: true },
    { glob: "execute_*", name: "xexecute_sql", matches: false },
    { glob: "*_sql", name: "execute_sql", matches: true },
    { glob: "*_sql", name: "execute_sql2", matches: false },
    { glob: "a?c", name: "abc", matches: true },
    { glob: "a?c", name: "ac", matches: false },
    { glob: "a?c", name: "a😀c", matches: true },
    { glob: "a*b*c", name: "a-b-b-c", matches: true },
    { glob: "a**c", name: "ac", matches: true },
    { glob: "?*", name: "", matches: false },
    { glob: "file:///srv/*.txt", name: "file:///srv/a/b.txt", matches: true },
    { glob: "[ab]", name: "a", matches: false },
    { glob: "a.c", name: "abc", matches: false },
    { glob: "a+", name: "aa", matches: false },
  ])("$glob on $name: $matches", ({ glob, name, matches }) => {
    expect(compileGlob(glob).matches(name)).toBe(matches);
  });

  const piece = fc.constantFrom("a", "b", "é", "😀", "*", "?", ".");
  const pattern = fc.array(piece, { maxLength: 80 }).map((pieces) => pieces.join(""));
  const text = fc
    .array(fc.constantFrom("a", "b", "é", "😀", "."), { maxLength: 80 })
    .map((pieces) => pieces.join(""));

  test("matches what the equivalent regular expression matches", () => {
    fc.assert(
      fc.property(
        pattern.filter((glob) => glob.split("*").length < 5),
        text,
        (glob, name) => {
          const source = glob.replaceAll(".", "\\.").replaceAll("*", "[^]*").replaceAll("?", "[^]");
          expect(compileGlob(glob).matches(name)).toBe(new RegExp(`^${source}$`, "u").test(name));
        },
      ),
    );
  });

  test("matches a long name as it does a short one", () => {
    fc.assert(
      fc.property(
        pattern.filter((glob) => !glob.includes("?")),
        text,
        (end, name) => {
          // The pattern has no z, so only its first star can stand for them.
          const { matches } = compileGlob(`*${end}`);
          expect(matches("z".repeat(1_000) + name)).toBe(matches(name));
        },
      ),
    );
  });

  test("with half a surrogate pair does not match the whole one", () => {
    expect(compileGlob("*\ud83d*").matches("a😀")).toBe(false);
    expect(compileGlob("*\ud83d*").matches("a\ud83d")).toBe(true);
  });

  test("matches a name made from itself", () => {
    fc.assert(
      fc.property(pattern, text, (glob, filling) => {
        expect(compileGlob(glob).matches(glob.replaceAll("*", filling).replaceAll("?", "x"))).toBe(true);
      }),
    );
  });

  test("takes a time that grows with the name only, whatever the pattern", () => {
    const glob = compileGlob(`${"*a?".repeat(80)}b`);
    const short = millisecondsFor(() => glob.matches("a".repeat(20_000)));
    const long = millisecondsFor(() => glob.matches("a".repeat(160_000)));
    expect(long).toBeLessThan(Math.max(short, 5) * 8 * 6);
  });
});

function millisecondsFor(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}
