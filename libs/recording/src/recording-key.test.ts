import { Buffer } from "node:buffer";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { flipBit } from "./fixtures/events.js";
import {
  createRecordingKey,
  keyEncryptionKey,
  KeyUnwrapError,
  unwrapKey,
  wrapKey,
  wrappedKeyId,
} from "./recording-key.js";

const kek = keyEncryptionKey(Buffer.alloc(32, 7));
const otherKek = keyEncryptionKey(Buffer.alloc(32, 8));

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof KeyUnwrapError) return error.code;
    throw error;
  }
  return undefined;
}

describe("a recording key", () => {
  test("is 32 bytes and another one each time", () => {
    const key = createRecordingKey();
    expect(key.symmetricKeySize).toBe(32);
    expect(key.equals(createRecordingKey())).toBe(false);
  });

  test("comes back from being wrapped", () => {
    const key = createRecordingKey();
    expect(unwrapKey(kek, wrapKey(kek, key, "r1"), "r1").equals(key)).toBe(true);
  });

  test("never looks the same wrapped twice", () => {
    const key = createRecordingKey();
    expect(wrapKey(kek, key, "r1")).not.toEqual(wrapKey(kek, key, "r1"));
  });

  test("is not shown by printing or serialising it or its key-encryption key", () => {
    const key = createRecordingKey();
    for (const secret of [key, kek.key]) {
      const shown = inspect({ key, kek }, { depth: 9, showHidden: true }) + JSON.stringify({ key, kek });
      expect(shown).not.toContain(secret.export().toString("hex"));
      expect(shown).not.toContain(secret.export().subarray(0, 4).toString("hex"));
      expect(shown).not.toContain(secret.export().subarray(0, 4).join(","));
    }
  });
});

describe("a wrapped key", () => {
  test("does not open for another recording", () => {
    const wrapped = wrapKey(kek, createRecordingKey(), "r1");
    expect(codeOf(() => unwrapKey(kek, wrapped, "r2"))).toBe("not_authentic");
  });

  test("says which key-encryption key it needs", () => {
    const wrapped = wrapKey(kek, createRecordingKey(), "r1");
    expect(wrappedKeyId(wrapped)).toBe(kek.id);
    expect(codeOf(() => unwrapKey(otherKek, wrapped, "r1"))).toBe("wrong_key_encryption_key");
  });

  test("does not open under another key-encryption key that claims its id", () => {
    const wrapped = wrapKey(kek, createRecordingKey(), "r1");
    expect(codeOf(() => unwrapKey({ ...otherKek, id: kek.id }, wrapped, "r1"))).toBe("not_authentic");
  });

  test("does not open with any bit flipped", () => {
    const wrapped = wrapKey(kek, createRecordingKey(), "r1");
    for (let bit = 0; bit < wrapped.length * 8; bit++) {
      expect(
        codeOf(() => unwrapKey(kek, flipBit(wrapped, bit), "r1")),
        `bit ${bit}`,
      ).toBeDefined();
    }
  });

  test("does not open cut short or with bytes added", () => {
    const wrapped = wrapKey(kek, createRecordingKey(), "r1");
    for (let length = 0; length < wrapped.length; length++) {
      expect(codeOf(() => unwrapKey(kek, wrapped.subarray(0, length), "r1"))).toBe("malformed");
    }
    expect(codeOf(() => unwrapKey(kek, Buffer.concat([wrapped, Buffer.alloc(1)]), "r1"))).toBe("malformed");
  });
});

describe("a key-encryption key", () => {
  test("has an id that follows from it alone", () => {
    expect(keyEncryptionKey(Buffer.alloc(32, 7)).id).toBe(kek.id);
    expect(otherKek.id).not.toBe(kek.id);
  });

  test.each([0, 16, 31, 33, 64])("is refused with %i bytes", (length) => {
    expect(() => keyEncryptionKey(new Uint8Array(length))).toThrow(RangeError);
  });
});

test.each(["", "a b", "é", "a\u0000", "x".repeat(129), "\ud800"])("a recording id %j is refused", (id) => {
  expect(() => wrapKey(kek, createRecordingKey(), id)).toThrow(RangeError);
});
