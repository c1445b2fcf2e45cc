import { ExchangeFailure } from "@drawbridge/protocol";
import { describe, expect, test } from "vitest";
import { MAX_CHUNK_BYTES, MAX_TRANSFER_BYTES, MAX_TRANSFERS, SessionTransfers } from "./session-transfers.js";

const full = Buffer.alloc(MAX_CHUNK_BYTES);
const piece = (transfer: number, payload = full) => ({ transfer, payload, end: undefined, aborted: false });

describe("the large responses of a session", () => {
  test("may hold so much and no more", () => {
    const transfers = new SessionTransfers();
    for (let bytes = 0; bytes < MAX_TRANSFER_BYTES; bytes += MAX_CHUNK_BYTES)
      expect(transfers.refusalOf(piece(1))).toBeUndefined();
    const refusal = transfers.refusalOf(piece(1, Buffer.alloc(1)));
    expect(refusal?.failure).toBe(ExchangeFailure.RESULT_TOO_LARGE);
    expect(transfers.refusalOf(piece(2))).toBeUndefined();
  });

  test("make room for others when they are over", () => {
    const transfers = new SessionTransfers();
    for (let transfer = 0; transfer < MAX_TRANSFERS; transfer += 1) transfers.refusalOf(piece(transfer));
    expect(transfers.refusalOf(piece(99))?.message).toContain("too many");
    transfers.over(0);
    expect(transfers.refusalOf(piece(99))).toBeUndefined();
  });

  test("are all cut off with their stream, once, and stay so", () => {
    const transfers = new SessionTransfers();
    transfers.refusalOf(piece(1));
    transfers.refusalOf(piece(2));
    expect(transfers.cutOff()).toEqual([1, 2]);
    expect(transfers.cutOff()).toEqual([]);
    expect(transfers.refusalOf(piece(1))?.failure).toBe(ExchangeFailure.RESULT_CUT_OFF);
  });

  test("are remembered when refused, the latest of them", () => {
    const transfers = new SessionTransfers();
    const refusal = { failure: ExchangeFailure.RESULT_TOO_LARGE, message: "no" };
    for (let transfer = 0; transfer < 300; transfer += 1) transfers.refuse(transfer, refusal);
    expect(transfers.refusalOf(piece(299))).toBe(refusal);
    expect(transfers.refusalOf(piece(0))).toBeUndefined();
  });
});
