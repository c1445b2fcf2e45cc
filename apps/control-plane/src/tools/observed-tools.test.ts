import fc from "fast-check";
import { expect, test } from "vitest";
import { byName, changesOf, KnownTools, MAX_TOOLS } from "./observed-tools.js";
import { isAccepted, type PinDigests } from "./pin.js";

const START = Date.parse("2026-11-22T12:00:00.000Z");
const names = ["read", "write", "wrlte", "look"];

/** Which definition of which name; a target may show any at any time. */
const listing = fc.record({
  tools: fc.array(fc.record({ name: fc.constantFrom(...names), version: fc.integer({ min: 0, max: 3 }) }), {
    maxLength: 5,
  }),
  waited: fc.integer({ min: 0, max: 12_000 }),
});

const shown = ({ name, version }: { name: string; version: number }) => ({
  name,
  digest: Buffer.alloc(32, version),
  definition: Buffer.from(JSON.stringify({ name, version })),
});

function applied(
  pins: ReadonlyMap<string, PinDigests>,
  { changes }: ReturnType<typeof changesOf>,
  now: Date,
): Map<string, PinDigests> {
  const after = new Map(pins);
  for (const { name, digest, flags, acceptedAtFirst } of changes) {
    const accepted = acceptedAtFirst === true ? digest : pins.get(name)?.accepted;
    after.set(name, { name, accepted, shown: digest, shownSince: now, flags });
  }
  return after;
}

type AllPins = ReadonlyMap<string, PinDigests>;

/** Of the tools of `before`, as `after` has it. */
function acceptedBefore(before: AllPins, after: AllPins): (string | undefined)[] {
  return [...before.keys()].map((name) => after.get(name)?.accepted);
}

function usableOf(before: AllPins, after: AllPins): PinDigests[] {
  return [...before.keys()].flatMap((name) => after.get(name) ?? []).filter(isAccepted);
}

test("whatever a target shows, nothing but its first definition is accepted, and what was refused stays so", () => {
  fc.assert(
    fc.property(fc.array(listing, { maxLength: 12 }), (listings) => {
      let pins = new Map<string, PinDigests>();
      let time = START;
      for (const { tools, waited } of listings) {
        time += waited;
        const now = new Date(time);
        const before = pins;
        const seen = byName(tools.map(shown));
        pins = applied(before, changesOf(seen, new KnownTools(before, now)), now);
        const known = new KnownTools(pins, now);
        expect(seen.filter((tool) => !known.isSettled(tool))).toEqual([]);
        expect(acceptedBefore(before, pins)).toEqual(acceptedBefore(before, before));
        expect(usableOf(before, pins).filter((pin) => !isAccepted(before.get(pin.name) ?? pin))).toEqual([]);
        // What is usable is all that is shown of it.
        const usable = seen.filter(({ name }) => usableOf(pins, pins).some((pin) => pin.name === name));
        const others = usable.filter((tool) =>
          tool.shown.some(({ digest }) => digest !== pins.get(tool.name)?.accepted),
        );
        expect(others).toEqual([]);
      }
    }),
  );
});

test("as many tools as a target may have, all deceitful, are looked at in bounded time", () => {
  const text = "ѕend\u{E0041}".repeat(300);
  const definitions = Array.from({ length: MAX_TOOLS + 500 }, (_, index) => {
    const name = `${"l1I|".repeat(60)}${index}`;
    return { name, digest: Buffer.alloc(32), definition: Buffer.from(JSON.stringify({ name, text })) };
  });
  const started = performance.now();
  const { changes, refused } = changesOf(byName(definitions), new KnownTools(new Map(), new Date(START)));
  expect(performance.now() - started).toBeLessThan(3_000);
  expect(refused).toBe(500);
  expect(changes.every(({ acceptedAtFirst }) => acceptedAtFirst === false)).toBe(true);
});
