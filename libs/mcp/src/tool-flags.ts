import { Buffer } from "node:buffer";
import { isConfusableName, hasConfusableWord } from "./confusable-words.js";
import { hasHiddenCharacter } from "./hidden-characters.js";

export type ToolFlag = "hidden_characters" | "confusable_characters";

/**
 * What in a tool definition is there to deceive whoever reads it, in any of its strings and keys: text that a model reads
 * and a human does not see, and words that look like others than they are. Ordinary text of any language is neither.
 * `definition`: JSON that parseMessage has passed, or such text masked. Linear time.
 */
export function toolFlags(definition: Uint8Array): readonly ToolFlag[] {
  const { buffer, byteOffset, byteLength } = definition;
  const strings: string[] = [];
  const value: unknown = JSON.parse(Buffer.from(buffer, byteOffset, byteLength).toString("utf8"));
  collectStrings(value, strings);
  const flags: ToolFlag[] = [];
  if (strings.some(hasHiddenCharacter)) flags.push("hidden_characters");
  if (isConfusableName(nameIn(value)) || strings.some(hasConfusableWord)) flags.push("confusable_characters");
  return flags;
}

/** Those alone that are not all of plain ASCII: nothing is wrong with the others. */
function collectStrings(value: unknown, found: string[]): void {
  if (typeof value === "string") {
    if (!PLAIN.test(value)) found.push(value);
  } else if (Array.isArray(value)) {
    for (const each of value as readonly unknown[]) collectStrings(each, found);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, each] of Object.entries(value)) {
      if (!PLAIN.test(key)) found.push(key);
      collectStrings(each, found);
    }
  }
}

const PLAIN = /^[\t\n\x20-\x7e]*$/;

function nameIn(definition: unknown): string {
  const isObject = typeof definition === "object" && definition !== null;
  return isObject && "name" in definition && typeof definition.name === "string" ? definition.name : "";
}
