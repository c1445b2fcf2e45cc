import { expect, test } from "vitest";
import { httpStatusOfError } from "./rpc-error-codes.js";

test.each([
  [-32700, 400],
  [-32600, 400],
  [-32601, 404],
  [-32602, 200],
  [-32603, 200],
  [-32020, 400],
  [-32021, 400],
  [-32022, 400],
  [-32000, 200],
  [-32042, 200],
  [0, 200],
])("an answer that is the error %i has the status %i", (code, status) => {
  expect(httpStatusOfError(code)).toBe(status);
});
