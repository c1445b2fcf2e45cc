import { readFile } from "node:fs/promises";
import { policyJsonSchema } from "@drawbridge/policy";
import { expect, test } from "vitest";

test("the schema that editors find in deploy/policies/ is that of this version", async () => {
  const file = new URL("../../../deploy/policies/policy.schema.json", import.meta.url);
  const published: unknown = JSON.parse(await readFile(file, "utf8"));
  // ./drawbridge policy schema > deploy/policies/policy.schema.json
  expect(published).toEqual(policyJsonSchema());
});
