import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shortId, wholeId } from "./short-ids.js";

const ids = (...values: string[]) => [async () => values.map((id) => ({ id }))];
const FIRST = "0198c1f0-0000-7000-8000-0000aaaaaa01";
const SECOND = "0198c1f0-0000-7000-8000-0000aaaaaa02";

describe("ids", () => {
  it("are found by what lists show of them", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.uuid({ version: 7 }), { minLength: 1, maxLength: 20, selector: shortId }),
        async (all) => {
          const [wanted = ""] = all;
          expect(await wholeId(shortId(wanted), { what: "grant", places: ids(...all) })).toBe(wanted);
        },
      ),
    );
  });

  it("are not looked for when they are whole", async () => {
    const places = [() => Promise.reject(new Error("asked"))];
    expect(await wholeId(FIRST.toUpperCase(), { what: "grant", places })).toBe(FIRST);
  });

  it("are named whole when a part means several", async () => {
    const found = wholeId("aaaaaa", { what: "grant", places: ids(FIRST, SECOND) });
    await expect(found).rejects.toThrow(/could be 2 grants/);
    await expect(found).rejects.toMatchObject({ details: [FIRST, SECOND] });
  });

  it("are looked for in the next place only when the first knows none", async () => {
    const places = [...ids(FIRST), ...ids(SECOND)];
    expect(await wholeId("aaaa02", { what: "grant", places })).toBe(SECOND);
    expect(await wholeId("aaaaaa", { what: "grant", places })).toBe(FIRST);
    await expect(wholeId("ffffff", { what: "grant", places })).rejects.toThrow(/no grant ffffff/);
  });

  it.each(["", "aa01", "../admin", "%2e%2e", "aaaaaa0", "\u001b[31m"])("are not %j", async (typed) => {
    const places = [async () => []];
    await expect(wholeId(typed, { what: "grant", places })).rejects.toThrow(/no id|no grant/);
  });
});
