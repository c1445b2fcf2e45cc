/**
 * Names, results and recordings come from strangers, and a terminal obeys what it is shown: an escape sequence can
 * rewrite earlier lines, a bidirectional override can reorder this one. Everything of that kind is shown escaped.
 * The joiners (U+200C, U+200D) stay: whole scripts need them and they move nothing.
 */
const HOSTILE = /(?!\u200c|\u200d)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const HOSTILE_EXCEPT_LAYOUT = /(?!\u200c|\u200d|\n|\t)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** For one cell or line: line breaks are shown escaped too. */
export function oneLine(text: string): string {
  return text.replaceAll(HOSTILE, escaped);
}

/** For a block of text: line breaks and tabs stay. */
export function block(text: string): string {
  return text.replaceAll("\r\n", "\n").replaceAll(HOSTILE_EXCEPT_LAYOUT, escaped);
}

/** JSON text that is safe on a terminal and still means the same: `JSON.stringify` leaves C1 controls as they are. */
export function jsonText(value: unknown, indent = 2): string {
  return JSON.stringify(value, null, indent).replaceAll(HOSTILE_EXCEPT_LAYOUT, (character) =>
    [...Array(character.length).keys()].map((unit) => hex(character.charCodeAt(unit))).join(""),
  );
}

const hex = (unit: number): string => `\\u${unit.toString(16).padStart(4, "0")}`;

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (character === "\n") return "\\n";
  if (character === "\t") return "\\t";
  if (character === "\r") return "\\r";
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

/** At most `length` characters, the last one an ellipsis when something was cut off. */
export function shortened(text: string, length: number): string {
  const characters = Array.from(text.slice(0, length * 2 + 2));
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}
