import { Buffer } from "node:buffer";
import type { McpMessage } from "./message.js";

/** A number that a double cannot hold as it was written, such as 1234567890123456789 or 1e999. */
export class JsonNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toJSON(): never {
    throw new TypeError("a number this exact cannot go through JSON.stringify: use its text");
  }
}

/**
 * JSON for looking at. A number is a `number` when its shortest decimal form has the value that was written (1.0, 0.1 and
 * 1e2 are), and a JsonNumber otherwise. Objects are plain: read their members with Object.hasOwn, names come from outside.
 */
export type JsonView =
  | null
  | boolean
  | number
  | string
  | JsonNumber
  | readonly JsonView[]
  | { readonly [key: string]: JsonView };

/** What the arguments of a call say, or undefined when it has none. Parses at each call: keep the answer. */
export function argumentsView(message: McpMessage): JsonView | undefined {
  const range = message.ranges.arguments;
  if (range === undefined) return undefined;
  const { buffer, byteOffset, byteLength } = message.bytes;
  return jsonView(Buffer.from(buffer, byteOffset, byteLength).toString("utf8", range[0], range[1]));
}

/** A double keeps 15 significant digits: only a longer number, or one with an exponent, can lose anything. */
const MAYBE_INEXACT = /[0-9][0-9.]{15}|[0-9][eE]/;

/** JSON.parse with exact numbers. `text` must be valid JSON of bounded depth. */
export function jsonView(text: string): JsonView {
  if (!MAYBE_INEXACT.test(text)) return JSON.parse(text) as JsonView;
  const parse = JSON.parse as (text: string, reviver: Reviver) => JsonView;
  return parse(text, (_key, value, { source }) => {
    return typeof value === "number" && source !== undefined ? exactNumber(source, value) : value;
  });
}

type Reviver = (key: string, value: JsonView, context: { readonly source?: string }) => JsonView;

function exactNumber(text: string, value: number): number | JsonNumber {
  const shortest = String(value);
  if (shortest === text) return value;
  if (!Number.isFinite(value)) return new JsonNumber(text);
  return normalForm(text) === normalForm(shortest) ? value : new JsonNumber(text);
}

/**
 * The same text for numbers of the same value, however they were written: the sign, the significant digits, `e`, and the
 * power of ten (`1.50` is `15e-1`); zero of either sign is `0`. A number whose exponent has more than 12 characters and
 * that no double holds stays as it was written.
 */
export function canonicalNumber(value: number | JsonNumber): string {
  return normalForm(typeof value === "number" ? String(value) : value.text);
}

const PLAIN_DECIMAL = /^-?[0-9]+(?:\.[0-9]+)?$/;

/** Whether `text` is a decimal number without an exponent and has the value of `number`, the text of a JSON number. */
export function isSameNumber(text: string, number: string): boolean {
  return PLAIN_DECIMAL.test(text) && normalForm(text) === normalForm(number);
}

/** More digits than an exponent of a finite number other than zero can need. */
const MAX_EXPONENT_LENGTH = 12;

/** The same for decimal texts of the same value: significant digits without zeros around them, and a power of ten. */
function normalForm(text: string): string {
  const [mantissa = "", exponent = "0"] = text.toLowerCase().split("e");
  const sign = mantissa.startsWith("-") ? "-" : "";
  const [whole = "", fraction = ""] = mantissa.slice(sign.length).split(".");
  const digits = trimZeros(whole + fraction);
  if (digits.text === "") return "0";
  if (exponent.length > MAX_EXPONENT_LENGTH) return text;
  return `${sign}${digits.text}e${Number(exponent) - fraction.length + digits.trailing}`;
}

/** No regular expression: `/0+$/` takes quadratic time on zeros that do not end the text. */
function trimZeros(digits: string): { readonly text: string; readonly trailing: number } {
  let start = 0;
  while (digits[start] === "0") start++;
  let end = digits.length;
  while (end > start && digits[end - 1] === "0") end--;
  return { text: digits.slice(start, end), trailing: digits.length - end };
}
