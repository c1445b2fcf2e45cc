import { describe, expect, test } from "vitest";
import { commandTexts, refusedUnparsed } from "./command-texts.js";
import { MAX_COMMAND_BYTES } from "./facts.js";
import { unreadable } from "./unread-facts.js";

describe("the texts of an argument", () => {
  test("are a string, or the strings of a list", () => {
    expect(commandTexts("select 1")).toEqual(["select 1"]);
    expect(commandTexts(["a", "b"])).toEqual(["a", "b"]);
    expect(commandTexts([])).toEqual([]);
  });

  test.each([[undefined], [null], [1], [{ sql: "select 1" }], [["a", 1]], [["a", ["b"]]], [Object("a")]])(
    "are not known of %j",
    (value) => {
      expect(commandTexts(value)).toBeUndefined();
    },
  );

  test("that cannot be had count as not parsed, and as everything that is bad", () => {
    expect(unreadable("postgresql")).toMatchObject({
      parsed: false,
      dialect: "postgresql",
      readOnly: false,
      ddl: true,
    });
    expect(unreadable("mysql")).toMatchObject({
      parsed: false,
      dialect: "mysql",
      readOnly: false,
      runsCode: true,
    });
    expect(unreadable("sh")).toMatchObject({ parsed: false, readOnly: false, destructive: true });
  });
});

describe("texts that no parser sees", () => {
  test("are none, too long, with a NUL byte or half of a pair of surrogates", () => {
    expect(refusedUnparsed([])).toBe("there is no command");
    expect(refusedUnparsed(["select 1\0"])).toBe("it has a NUL byte");
    expect(refusedUnparsed(["\uD800"])).toBe("it is not well-formed Unicode");
  });

  test("are too long in bytes, all together", () => {
    const half = "a".repeat(MAX_COMMAND_BYTES / 2);
    expect(refusedUnparsed([half, half])).toBeUndefined();
    expect(refusedUnparsed([half, `${half}a`])).toBe("it is longer than 64 KiB");
    expect(refusedUnparsed(["é".repeat(MAX_COMMAND_BYTES / 2)])).toBeUndefined();
    expect(refusedUnparsed([`a${"é".repeat(MAX_COMMAND_BYTES / 2)}`])).toBe("it is longer than 64 KiB");
  });
});
