import { usageError } from "./errors.js";

export type JsonValue = null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue };

/**
 * JavaScript would round a longer whole number, and the tool would be called with another value than was typed.
 * @throws RangeError for one, SyntaxError for what is no JSON
 */
export function parseExactly(text: string): JsonValue {
  return JSON.parse(text, (_name, part: unknown) => {
    if (typeof part === "number" && Number.isInteger(part) && !Number.isSafeInteger(part)) {
      throw new RangeError(`the number ${part} is too long to be sent exactly; send it as a string`);
    }
    return part;
  }) as JsonValue;
}

/** What was typed as an object, exactly. @throws CliError for anything else */
export function jsonObject(text: string, what: string): Record<string, unknown> {
  let value: JsonValue;
  try {
    value = parseExactly(text);
  } catch (error) {
    throw usageError(
      error instanceof RangeError ? error.message : `${what} are not valid JSON: ${(error as Error).message}`,
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw usageError(`${what} have to be a JSON object, like '{"sql":"select 1"}'`);
  }
  return value;
}
