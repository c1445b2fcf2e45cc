/** Headers that frame the message, steer it elsewhere or are ours to set. */
const RESERVED = new Set([
  "accept",
  "accept-encoding",
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const RESERVED_PREFIXES = ["proxy-", "mcp-param-"];
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** In words why these headers of a target definition cannot be sent, or undefined. Values are never quoted. */
export function checkHeaders(headers: Readonly<Record<string, string>>): string | undefined {
  for (const [name, value] of Object.entries(headers)) {
    const lowerCase = name.toLowerCase();
    if (!HEADER_NAME.test(name)) return "the target's definition has a header with an impossible name";
    if (RESERVED.has(lowerCase) || RESERVED_PREFIXES.some((prefix) => lowerCase.startsWith(prefix)))
      return `a target definition cannot set the header ${name}`;
    if (!HEADER_VALUE.test(value))
      return `the header ${name} of the target's definition holds a character no header may`;
  }
  return undefined;
}
