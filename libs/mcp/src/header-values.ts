import { Buffer, isUtf8 } from "node:buffer";

const SENTINEL_START = "=?base64?";
const SENTINEL_END = "?=";
const CANONICAL_BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** What a header carries as it is: visible ASCII, with blanks only within. */
const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** 2026-07-28, Streamable HTTP, "Value Encoding": as it is where a header can carry it, otherwise Base64 of UTF-8 in a sentinel. */
export function encodeHeaderValue(value: string): string {
  if (PLAIN.test(value) && !isSentinel(value)) return value;
  return `${SENTINEL_START}${Buffer.from(value).toString("base64")}${SENTINEL_END}`;
}

/** Undefined for a sentinel with anything but canonical Base64 of UTF-8 in it; white space around the value does not count. */
export function decodeHeaderValue(header: string): string | undefined {
  const value = withoutBlanksAround(header);
  if (!isSentinel(value)) return value;
  const base64 = value.slice(SENTINEL_START.length, -SENTINEL_END.length);
  if (!CANONICAL_BASE64.test(base64)) return undefined;
  const bytes = Buffer.from(base64, "base64");
  return isUtf8(bytes) ? bytes.toString("utf8") : undefined;
}

/** Without the optional white space of RFC 9110 §5.6.3. No regular expression: `/[ \t]+$/` takes quadratic time. */
export function withoutBlanksAround(value: string): string {
  let start = 0;
  while (isBlank(value[start])) start++;
  let end = value.length;
  while (end > start && isBlank(value[end - 1])) end--;
  return value.slice(start, end);
}

function isBlank(character: string | undefined): boolean {
  return character === " " || character === "\t";
}

function isSentinel(value: string): boolean {
  return (
    value.length >= SENTINEL_START.length + SENTINEL_END.length &&
    value.startsWith(SENTINEL_START) &&
    value.endsWith(SENTINEL_END)
  );
}
