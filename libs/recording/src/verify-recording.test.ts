import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyOpenEvents, event, flipBit, record } from "./fixtures/events.js";
import { createRecordingKey } from "./recording-key.js";
import { genesisHash } from "./sealed-event.js";
import { verifyRecording, type VerifiableRow, type VerifyOptions } from "./verify-recording.js";

const events = [
  event({ kind: "session_opened", exchange: 0 }),
  event({ kind: "request" }),
  event({ kind: "response" }),
  event({ kind: "session_closed", exchange: 0 }),
];

async function damageOf(
  rows: Iterable<VerifiableRow> | AsyncIterable<VerifiableRow>,
  options?: VerifyOptions,
) {
  const result = await verifyRecording("r1", rows, options);
  return result.ok ? undefined : { problem: result.damage.problem, index: result.damage.index };
}

function pick(rows: readonly VerifiableRow[], ...indexes: number[]): VerifiableRow[] {
  return indexes.map((index) => rows[index] as VerifiableRow);
}

/** The rows as somebody with write access to the database would leave them who also renumbers. */
function renumbered(rows: readonly VerifiableRow[]): VerifiableRow[] {
  return rows.map((row, index) => ({ ...row, index }));
}

function withoutPrevious(rows: readonly VerifiableRow[]): VerifiableRow[] {
  return rows.map((row) => ({ ...row, previousHash: undefined }));
}

describe("verifyRecording accepts", () => {
  test("what was recorded, with the key and without it", async () => {
    const { key, rows } = record("r1", events);
    const head = { index: 3, hash: rows[3]?.hash as Uint8Array };
    for (const options of [{}, { key }, { key, final: true, expectedHead: head }]) {
      expect(await verifyRecording("r1", rows, options)).toEqual({
        ok: true,
        events: 4,
        head: head.hash,
        final: true,
      });
    }
  });

  test("rows that come one after the other and store no previous hash", async () => {
    const { key, rows } = record("r1", events);
    async function* stream() {
      yield* withoutPrevious(rows);
    }
    expect(await damageOf(stream(), { key })).toBeUndefined();
  });

  test("a recording still open, and one grown past the head that was known", async () => {
    const { rows } = record("r1", events);
    const expectedHead = { index: 1, hash: rows[1]?.hash as Uint8Array };
    expect(await verifyRecording("r1", pick(rows, 0, 1, 2), { expectedHead })).toMatchObject({
      ok: true,
      events: 3,
      final: false,
    });
  });

  test("a recording of no events", async () => {
    expect(await verifyRecording("r1", [])).toEqual({
      ok: true,
      events: 0,
      head: genesisHash("r1"),
      final: false,
    });
  });
});

describe("verifyRecording finds", () => {
  const { key, rows } = record("r1", events);
  const other = record("r2", events, key).rows;
  const again = record("r1", events, key).rows;
  const foreign = record("r1", events, createRecordingKey()).rows;
  const head = { index: 3, hash: rows[3]?.hash as Uint8Array };
  const tail = event({ kind: "stderr", exchange: 0 });

  test.each<[string, VerifiableRow[], VerifyOptions, { problem: string; index: number }]>([
    ["a missing event", pick(rows, 0, 1, 3), {}, { problem: "gap", index: 2 }],
    ["a missing first event", pick(rows, 1, 2, 3), {}, { problem: "gap", index: 0 }],
    [
      "a missing event, renumbered",
      renumbered(pick(rows, 0, 2, 3)),
      {},
      { problem: "previous_hash_mismatch", index: 1 },
    ],
    [
      "the same without stored previous hashes",
      withoutPrevious(renumbered(pick(rows, 0, 2, 3))),
      {},
      { problem: "hash_mismatch", index: 1 },
    ],
    ["a repeated event", pick(rows, 0, 1, 1, 2), {}, { problem: "out_of_order", index: 2 }],
    ["events in another order", pick(rows, 0, 2, 1, 3), {}, { problem: "gap", index: 1 }],
    ["events of another recording", other, {}, { problem: "previous_hash_mismatch", index: 0 }],
    [
      "an event of another recording",
      [...pick(rows, 0), ...withoutPrevious(pick(other, 1))],
      {},
      { problem: "hash_mismatch", index: 1 },
    ],
    [
      "an event of another sealing of the same recording",
      [...pick(rows, 0), ...withoutPrevious(pick(again, 1))],
      {},
      { problem: "hash_mismatch", index: 1 },
    ],
    ["another history", again, { expectedHead: head }, { problem: "head_mismatch", index: 3 }],
    [
      "a whole chain forged without the key",
      foreign,
      { key, final: true },
      { problem: "not_authentic", index: 0 },
    ],
    ["a cut the head shows", pick(rows, 0, 1, 2), { expectedHead: head }, { problem: "truncated", index: 3 }],
    ["a cut the missing end shows", pick(rows, 0, 1, 2), { final: true }, { problem: "not_final", index: 3 }],
    ["nothing left", [], { expectedHead: head }, { problem: "truncated", index: 0 }],
    ["nothing left of a closed one", [], { final: true }, { problem: "not_final", index: 0 }],
    [
      "an event after the end",
      record("r1", [...events, tail], key).rows,
      { key },
      { problem: "after_final", index: 4 },
    ],
    [
      "a null previous hash",
      [{ ...(rows[0] as VerifiableRow), previousHash: null as unknown as Uint8Array }],
      {},
      { problem: "previous_hash_mismatch", index: 0 },
    ],
  ])("%s", async (_, changed, options, damage) => {
    expect(await damageOf(changed, options)).toEqual(damage);
  });

  test("and says how far the recording is sound", async () => {
    const result = await verifyRecording("r1", pick(rows, 0, 1, 3));
    expect(result).toMatchObject({ ok: false, events: 2 });
    expect(result.ok ? "" : result.damage.message).toBe(
      "recording r1, event 2: is missing; the next one is 3",
    );
  });

  test("any flipped bit in any column, with the key and without it", async () => {
    const column = fc.constantFrom("sealed", "hash", "previousHash", "index", "kind", "exchange");
    await fc.assert(
      fc.asyncProperty(anyOpenEvents, fc.nat(), column, fc.nat(), async (original, at, columnName, place) => {
        const recorded = record("r1", original);
        const changed = recorded.rows.map((row, index) =>
          index === at % recorded.rows.length ? changeBit(row, columnName, place) : row,
        );
        expect(await damageOf(changed)).toBeDefined();
        expect(await damageOf(changed, { key: recorded.key })).toBeDefined();
      }),
      { numRuns: 300 },
    );
  });

  test("any event removed, repeated or exchanged with another, renumbered or not", async () => {
    const change = fc.constantFrom("remove", "repeat", "swap");
    await fc.assert(
      fc.asyncProperty(
        anyOpenEvents,
        change,
        fc.nat(),
        fc.boolean(),
        async (original, how, place, renumber) => {
          const { rows: recorded } = record("r1", original);
          const last = recorded.length - 1;
          const expectedHead = { index: last, hash: recorded[last]?.hash as Uint8Array };
          const changed = rearrange(recorded, how, place);
          const found = await damageOf(renumber ? renumbered(changed) : changed, { expectedHead });
          expect(found).toBeDefined();
          const bare = withoutPrevious(renumber ? renumbered(changed) : changed);
          expect(await damageOf(bare, { expectedHead })).toBeDefined();
        },
      ),
      { numRuns: 300 },
    );
  });
});

test("verifyRecording passes on an error of the source instead of calling the recording damaged", async () => {
  // oxlint-disable-next-line require-yield
  async function* broken(): AsyncGenerator<VerifiableRow> {
    throw new Error("connection lost");
  }
  await expect(verifyRecording("r1", broken())).rejects.toThrow("connection lost");
});

function changeBit(row: VerifiableRow, column: string, place: number): VerifiableRow {
  const bit = 2 ** (place % 31);
  switch (column) {
    case "sealed":
      return { ...row, sealed: flipBit(row.sealed, place) };
    case "hash":
      return { ...row, hash: flipBit(row.hash, place) };
    case "previousHash":
      return { ...row, previousHash: flipBit(row.previousHash as Uint8Array, place) };
    case "index":
      return { ...row, index: row.index ^ bit };
    case "kind":
      return { ...row, kind: Buffer.from(flipBit(Buffer.from(row.kind), place)).toString("latin1") };
    default:
      return { ...row, exchange: Number(BigInt(row.exchange) ^ BigInt(bit)) };
  }
}

function rearrange(rows: readonly VerifiableRow[], how: string, place: number): VerifiableRow[] {
  const at = place % rows.length;
  const row = rows[at] as VerifiableRow;
  if (how === "remove") return rows.toSpliced(at, 1);
  if (how === "repeat") return rows.toSpliced(at, 0, row);
  const next = (at + 1) % rows.length;
  return rows.with(at, rows[next] as VerifiableRow).with(next, row);
}
