import { MAX_COMMAND_BYTES } from "./facts.js";

/**
 * The texts of an argument that is a command: a string, or an array of strings, of which each is a command of its own.
 * Anything else is undefined: it counts as a command that does not parse, see `unreadable`.
 */
export function commandTexts(value: unknown): readonly string[] | undefined {
  if (typeof value === "string") return [value];
  if (!Array.isArray(value)) return undefined;
  const texts: string[] = [];
  for (const item of value as readonly unknown[]) {
    if (typeof item !== "string") return undefined;
    texts.push(item);
  }
  return texts;
}

/** Why these texts are not given to a parser at all; undefined when they are. The limit is on all of them together. */
export function refusedUnparsed(texts: readonly string[]): string | undefined {
  if (texts.length === 0) return "there is no command";
  let bytes = 0;
  for (const text of texts) {
    // A UTF-16 unit is at least one byte: long texts are not measured, nor searched.
    if (bytes + text.length > MAX_COMMAND_BYTES) return TOO_LONG;
    bytes += Buffer.byteLength(text, "utf8");
    if (bytes > MAX_COMMAND_BYTES) return TOO_LONG;
    if (text.includes("\0")) return "it has a NUL byte";
    if (!text.isWellFormed()) return "it is not well-formed Unicode";
  }
  return undefined;
}

const TOO_LONG = `it is longer than ${MAX_COMMAND_BYTES / 1024} KiB`;
