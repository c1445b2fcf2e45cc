import { beforeAll, describe, expect, test } from "vitest";
import { loadPostgresqlParser, parse } from "./parser.js";
import { postgresqlFacts } from "./postgresql-facts.js";

describe("before it is loaded", () => {
  test("nothing is parsed", () => {
    expect(postgresqlFacts(["select 1"])).toMatchObject({
      parsed: false,
      reason: "the parser is not loaded",
    });
  });
});

describe("a parser that stopped in the midst of a statement", () => {
  beforeAll(loadPostgresqlParser);

  function belowFrames<Result>(frames: number, call: () => Result): Result {
    return frames === 0 ? call() : belowFrames(frames - 1, call);
  }

  /** Further and further down the stack, until there is none: somewhere there is enough to begin, and not to end. */
  function* untilTheStackEnds<Result>(call: () => Result): Generator<Result> {
    try {
      for (let frames = 0; ; frames += 200) yield belowFrames(frames, call);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }

  test("is replaced: what comes after is parsed", { timeout: 60_000 }, async () => {
    const deep = `select ${"(".repeat(300)}1${")".repeat(300)}${"+1".repeat(1000)}`;
    const reasons = new Set<string>();
    for (const parsed of untilTheStackEnds(() => parse(deep))) {
      if (parsed.statements !== undefined) continue;
      reasons.add(parsed.reason);
      expect(postgresqlFacts(["select 1"]).parsed).toBe(true);
      // The text above has begun to load another; here it is waited for.
      await loadPostgresqlParser();
    }
    expect([...reasons]).toEqual(["the parser could not finish it"]);
  });
});
