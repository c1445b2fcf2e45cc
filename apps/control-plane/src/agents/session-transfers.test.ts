import { ExchangeFailure } from "@drawbridge/protocol";
import { describe, expect, test } from "vitest";
import { MAX_CHUNK_BYTES, MAX_TRANSFER_BYTES, MAX_TRANSFERS, SessionTransfers } from "./session-transfers.js";

const ASKED = 100;
const full = Buffer.alloc(MAX_CHUNK_BYTES);
const piece = (transfer: number, payload = full) => ({ transfer, payload, end: undefined, aborted: false });

describe("the large responses of a session", () => {
  test("may hold so much and no more", () => {
    const transfers = new SessionTransfers();
    for (let bytes = 0; bytes < MAX_TRANSFER_BYTES; bytes += MAX_CHUNK_BYTES)
      expect(transfers.refusalOf(piece(1), ASKED)).toBeUndefined();
    const refusal = transfers.refusalOf(piece(1, Buffer.alloc(1)), ASKED);
    expect(refusal?.failure).toBe(ExchangeFailure.RESULT_TOO_LARGE);
    expect(transfers.refusalOf(piece(2, Buffer.alloc(1)), ASKED)).toEqual(refusal);
  });

  test("count when they came to nothing, until another one is an answer", () => {
    const transfers = new SessionTransfers();
    for (let transfer = 1; transfer <= MAX_TRANSFER_BYTES / MAX_CHUNK_BYTES; transfer += 1) {
      expect(transfers.refusalOf(piece(transfer), ASKED)).toBeUndefined();
      transfers.over(transfer);
    }
    expect(transfers.refusalOf(piece(99_999), ASKED)?.message).toContain("exceed");
    expect(transfers.refusalOf(piece(99_999, Buffer.alloc(0)), ASKED)).toBeUndefined();
    transfers.answered(99_999);
    expect(transfers.refusalOf(piece(100_000), ASKED)).toBeUndefined();
  });

  test("go on as long as there is a request that they could answer", () => {
    const transfers = new SessionTransfers();
    expect(transfers.refusalOf(piece(1), 0)?.message).toContain("no request");
    expect(transfers.refusalOf(piece(1), 1)).toBeUndefined();
    expect(transfers.refusalOf(piece(1), 0)?.message).toContain("no request");
  });

  test("make room for others when they are over", () => {
    const transfers = new SessionTransfers();
    for (let transfer = 0; transfer < MAX_TRANSFERS; transfer += 1)
      transfers.refusalOf(piece(transfer), ASKED);
    expect(transfers.refusalOf(piece(99), ASKED)?.message).toContain("too many");
    transfers.over(0);
    expect(transfers.refusalOf(piece(99), ASKED)).toBeUndefined();
  });

  test("are all cut off with their stream, once, and stay so", () => {
    const transfers = new SessionTransfers();
    transfers.refusalOf(piece(1), ASKED);
    transfers.refusalOf(piece(2), ASKED);
    expect(transfers.cutOff()).toEqual([1, 2]);
    expect(transfers.cutOff()).toEqual([]);
    expect(transfers.refusalOf(piece(1), ASKED)?.failure).toBe(ExchangeFailure.RESULT_CUT_OFF);
  });

  test("are remembered when refused, the latest of them", () => {
    const transfers = new SessionTransfers();
    const refusal = { failure: ExchangeFailure.RESULT_TOO_LARGE, message: "no" };
    for (let transfer = 0; transfer < 300; transfer += 1) transfers.refuse(transfer, refusal);
    expect(transfers.refusalOf(piece(299), ASKED)).toBe(refusal);
    expect(transfers.refusalOf(piece(0), ASKED)).toBeUndefined();
  });
});
