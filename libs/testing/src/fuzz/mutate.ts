import { type MemberPlace, membersOf } from "./json-text.js";
import type { Random } from "./random.js";

/** Bytes are handled as Latin-1 text: one character is one byte. */
type Mutation = (text: string, random: Random, others: readonly string[]) => string;

const utf8 = (text: string): string => Buffer.from(text).toString("latin1");

const INVALID_UTF8 = [
  "\xff",
  "\xc0\x80",
  "\xed\xa0\x80",
  "\xf4\x90\x80\x80",
  "\xe2\x28\xa1",
  "\xc3",
  "\xf0\x9f\x98",
];
const SPACES = [
  " ",
  "\t",
  "\n",
  "\r",
  "\r\n",
  "\f",
  "\v",
  "\0",
  utf8("\u00a0"),
  utf8("\u2028"),
  utf8("\u3000"),
  utf8("\ufeff"),
];
const NUMBERS = [
  "0",
  "-0",
  "1",
  "-1",
  "1.0",
  "1e0",
  "01",
  "+1",
  ".5",
  "1.",
  "1e",
  "0x10",
  "1e400",
  "-1e-400",
  "NaN",
  "Infinity",
  "9007199254740993",
  "1234567890123456789012345678901234567890",
  "1".repeat(1025),
  "-",
  "2e308",
];
const VALUES = [
  ...NUMBERS,
  `null`,
  `true`,
  `false`,
  `{}`,
  `[]`,
  `""`,
  `"x"`,
  `"1"`,
  `[1]`,
  `{"name":"read"}`,
  `"\\u0000"`,
  `"\\ud800"`,
  `"2.0"`,
  `"1.0"`,
  `"tools/call"`,
  `"ping"`,
  `"initialize"`,
  `"read"`,
  `"destroy"`,
  `"2026-07-28"`,
  `"2025-03-26"`,
  `"2099-01-01"`,
  `"ref/prompt"`,
  `"ref/tool"`,
  `undefined`,
  `tru`,
  `'x'`,
  `"${"x".repeat(9_000)}"`,
  `"${"x".repeat(1_100)}"`,
];
const KEYS = [
  "jsonrpc",
  "id",
  "method",
  "params",
  "result",
  "error",
  "name",
  "uri",
  "taskId",
  "arguments",
  "_meta",
  "progressToken",
  "requestId",
  "ref",
  "type",
  "protocolVersion",
  "clientInfo",
  "inputRequests",
  "notifications",
  "resourceSubscriptions",
  "taskIds",
  "__proto__",
  "constructor",
  "",
  "io.modelcontextprotocol/protocolVersion",
  "io.modelcontextprotocol/clientCapabilities",
  "io.modelcontextprotocol/subscriptionId",
  "io.modelcontextprotocol/clientInfo",
  "io.modelcontextprotocol/logLevel",
];
const METAS = [
  `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`,
  `"_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}`,
  `"_meta":{"io.modelcontextprotocol/protocolVersion":7}`,
  `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/protocolVersion":"2025-11-25"}`,
  `"_meta":{"io.modelcontextprotocol/ProtocolVersion":"2026-07-28"}`,
  `"_meta":{"progressToken":1.5}`,
  `"_meta":{"progressToken":"p","progresstoken":2}`,
  `"_meta":null`,
  `"_meta":[]`,
  `"_meta":{"io.modelcontextprotocol/subscriptionId":{}}`,
  `"_Meta":{"progressToken":1}`,
];

const flip: Mutation = (text, random) => {
  const at = random.below(text.length);
  return replace(text, [at, at + 1], String.fromCharCode(text.charCodeAt(at) ^ (1 << random.below(8))));
};
const insertByte: Mutation = (text, random) =>
  insert(text, random.below(text.length + 1), String.fromCharCode(random.below(256)));
const insertSyntax: Mutation = (text, random) =>
  insert(
    text,
    random.below(text.length + 1),
    random.pick([`"`, "{", "}", "[", "]", ",", ":", "\\", "\\u", "/", "e"]),
  );
const remove: Mutation = (text, random) => {
  const at = random.below(text.length);
  return replace(text, [at, at + 1 + random.below(8)], "");
};
const repeat: Mutation = (text, random) => {
  const at = random.below(text.length);
  return insert(text, at, text.slice(at, at + 1 + random.below(24)));
};
const truncate: Mutation = (text, random) => text.slice(0, random.below(text.length));
const splice: Mutation = (text, random, others) => {
  const other = random.pick(others);
  return text.slice(0, random.below(text.length)) + other.slice(random.below(other.length));
};
const graft: Mutation = (text, random, others) => {
  const donor = random.pick(others);
  const from = pickMember(donor, random);
  const to = pickMember(text, random);
  return from && to ? replace(text, [to.valueStart, to.valueEnd], valueOf(donor, from)) : text;
};

const duplicate: Mutation = (text, random) => {
  const member = pickMember(text, random);
  if (!member) return text;
  const value = random.oneIn(2) ? valueOf(text, member) : random.pick(VALUES);
  const copy = `${random.oneIn(2) ? member.key : escaped(member.key, random)}:${value}`;
  return random.oneIn(2) ? insert(text, member.start, `${copy},`) : insert(text, member.valueEnd, `,${copy}`);
};
const escapeKey: Mutation = (text, random) => {
  const member = pickMember(text, random);
  return member ? renamed(text, member, escaped(member.key, random)) : text;
};
const changeCase: Mutation = (text, random) => {
  const member = pickMember(text, random);
  if (!member) return text;
  const key = inOtherCase(member.key, random);
  return random.oneIn(2)
    ? renamed(text, member, key)
    : insert(text, member.start, `${key}:${random.pick(VALUES)},`);
};
const renameKey: Mutation = (text, random) => {
  const member = pickMember(text, random);
  return member ? renamed(text, member, `"${random.pick(KEYS)}"`) : text;
};
const addMember: Mutation = (text, random) => {
  const member = pickMember(text, random);
  return member ? insert(text, member.start, `"${random.pick(KEYS)}":${random.pick(VALUES)},`) : text;
};
const dropMember: Mutation = (text, random) => {
  const member = pickMember(text, random);
  if (!member) return text;
  const comma = text[member.valueEnd] === "," ? 1 : 0;
  return replace(text, [member.start, member.valueEnd + comma], "");
};
const moveMember: Mutation = (text, random) => {
  const member = pickMember(text, random);
  const other = pickMember(text, random);
  return member && other ? insert(text, other.start, `${text.slice(member.start, member.valueEnd)},`) : text;
};
const changeValue: Mutation = (text, random) => {
  const member = pickMember(text, random);
  return member ? replace(text, [member.valueStart, member.valueEnd], random.pick(VALUES)) : text;
};
const nul: Mutation = (text, random) => insideString(text, random, random.oneIn(2) ? "\0" : "\\u0000");
const loneSurrogate: Mutation = (text, random) =>
  insideString(
    text,
    random,
    random.pick(["\\ud800", "\\udfff", "\\uD83D\\u0041", "\\ud83d\\ude00", "\\ude00\\ud83d"]),
  );
const escapes: Mutation = (text, random) =>
  insideString(
    text,
    random,
    random.pick(["\\x", "\\u00g0", "\\/", "\\u002f", "\\b", utf8("é"), utf8("\u{1f600}"), "\\u2028"]),
  );
const invalidUtf8: Mutation = (text, random) =>
  random.oneIn(2)
    ? insideString(text, random, random.pick(INVALID_UTF8))
    : insert(text, random.below(text.length + 1), random.pick(INVALID_UTF8));
const byteOrderMark: Mutation = (text, random) =>
  random.oneIn(2) ? utf8("\ufeff") + text : insert(text, random.below(text.length), utf8("\ufeff"));
const deepen: Mutation = (text, random) => {
  const member = pickMember(text, random);
  if (!member) return text;
  const depth = random.pick([1, 2, 60, 123, 124, 125, 126, 127, 128, 129, 1_500]);
  const [open, close] = random.pick([
    ["[", "]"],
    [`{"a":`, "}"],
    [`[{"id":`, "}]"],
  ] as const);
  const wrapped = open.repeat(depth) + valueOf(text, member) + close.repeat(depth);
  return replace(text, [member.valueStart, member.valueEnd], wrapped);
};
const batch: Mutation = (text, random, others) => {
  const count = random.pick([0, 1, 1, 2, 3, 99, 100]);
  const rest = Array.from({ length: count }, () => (count > 50 ? "1" : random.pick(others)));
  return `[${[text, ...rest].join(random.oneIn(8) ? ",," : ",")}]`;
};
const whiteSpace: Mutation = (text, random) => {
  const tokens = [...text.matchAll(/[{}[\]:,]/g)];
  const at = tokens.length > 0 ? random.pick(tokens).index + random.below(2) : 0;
  return insert(text, at, random.pick(SPACES).repeat(1 + random.below(4)));
};
const lineEnd: Mutation = (text, random) =>
  insert(text, random.below(text.length + 1), random.pick(["\n", "\r", "\r\n", "\n\n", "\r\r\n"]));
const meta: Mutation = (text, random) => {
  const member = pickMember(text, random);
  if (!member) return text;
  const params = /"params"\s*:\s*\{/.exec(text);
  const at = params ? params.index + params[0].length : member.start;
  return insert(text, at, `${random.pick(METAS)},`);
};

/** Those that keep JSON mostly JSON are in here more often: only they come past the first checks. */
const MUTATIONS: readonly Mutation[] = [
  flip,
  insertByte,
  insertSyntax,
  remove,
  repeat,
  truncate,
  splice,
  graft,
  graft,
  duplicate,
  duplicate,
  escapeKey,
  escapeKey,
  changeCase,
  changeCase,
  renameKey,
  renameKey,
  addMember,
  addMember,
  dropMember,
  dropMember,
  moveMember,
  moveMember,
  changeValue,
  changeValue,
  changeValue,
  nul,
  loneSurrogate,
  escapes,
  invalidUtf8,
  byteOrderMark,
  deepen,
  batch,
  whiteSpace,
  lineEnd,
  meta,
  meta,
];

/** One of the messages with one to four things changed; now and then one as it is. */
export function mutatedMessage(random: Random, messages: readonly string[]): Buffer {
  let text = random.pick(messages);
  if (random.oneIn(32)) return Buffer.from(text, "latin1");
  for (let left = 1 + random.below(4); left > 0; left--)
    text = random.pick(MUTATIONS)(text, random, messages);
  return Buffer.from(text, "latin1");
}

/** Bytes of any kind with some of them flipped, put in, taken out or repeated. */
export function mutatedBytes(bytes: Uint8Array, random: Random): Buffer {
  let text = Buffer.from(bytes).toString("latin1");
  const mutations = [flip, flip, insertByte, remove, repeat, truncate];
  for (let left = 1 + random.below(4); left > 0; left--) text = random.pick(mutations)(text, random, []);
  return Buffer.from(text, "latin1");
}

/** The same bytes in pieces; some are empty. */
export function inPieces(bytes: Uint8Array, random: Random): Uint8Array[] {
  const longest = random.pick([1, 3, 16, 64, 1_024]);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + random.below(longest + 1));
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}

function insert(text: string, at: number, piece: string): string {
  return text.slice(0, at) + piece + text.slice(at);
}

function replace(text: string, [start, end]: readonly [number, number], piece: string): string {
  return text.slice(0, start) + piece + text.slice(end);
}

function pickMember(text: string, random: Random): MemberPlace | undefined {
  const members = membersOf(text);
  return members.length === 0 ? undefined : random.pick(members);
}

function valueOf(text: string, { valueStart, valueEnd }: MemberPlace): string {
  return text.slice(valueStart, valueEnd);
}

function renamed(text: string, { start, key }: MemberPlace, to: string): string {
  return replace(text, [start, start + key.length], to);
}

function insideString(text: string, random: Random, piece: string): string {
  const strings = [...text.matchAll(/"(?:[^"\\]|\\.)*"/gs)];
  if (strings.length === 0) return insert(text, random.below(text.length + 1), piece);
  const { index, 0: string } = random.pick(strings);
  return insert(text, index + 1 + random.below(string.length - 1), piece);
}

/** Another spelling of the same key: `"\u0069d"`. */
function escaped(key: string, random: Random): string {
  const at = 1 + random.below(key.length - 2);
  const unit = key.charCodeAt(at).toString(16).padStart(4, "0");
  return replace(key, [at, at + 1], `\\u${random.oneIn(2) ? unit : unit.toUpperCase()}`);
}

/** A key that only a reader that ignores case takes for the same; also with the letters that fold to s and k. */
function inOtherCase(key: string, random: Random): string {
  const upper = key.toUpperCase();
  const first = key.slice(0, 2).toUpperCase() + key.slice(2);
  const folded = key.replace("s", utf8("\u017f")).replace("k", utf8("\u212a"));
  const folding = key.replace("s", "\\u017f").replace("k", "\\u212A");
  return random.pick([upper, first, folded, folding]);
}
