/** An id or progress token as its exact JSON text, so that 1 is not "1" and 1234567890123456789 survives. */
export interface JsonRpcId {
  readonly text: string;
}

/** An id made by us. Numbers have to be safe integers. */
export function jsonRpcId(value: string | number): JsonRpcId {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new RangeError("an id has to be a string or a safe integer");
  }
  return { text: JSON.stringify(value) };
}

/** Equal for ids that mean the same, however they were escaped; for use as a key of a Map. */
export function idKey(id: JsonRpcId): string {
  if (id.text === "-0") return "0";
  return id.text.includes("\\") ? JSON.stringify(JSON.parse(id.text)) : id.text;
}
