/** Percent-encoded characters that mean the same unencoded (RFC 3986 §2.3): letters, digits, - . _ ~ */
const NEEDLESSLY_ENCODED = /%(?:2[de]|3\d|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])/i;
/** `.` and `..` between separators, as servers see them that decode separators or take a backslash for one. */
const DOT_SEGMENT = /(?:[/\\]|%2f|%5c)\.{1,2}(?=[/\\?#]|%2f|%5c|%3f|%23|$)/i;

/**
 * False for a URI that another spelling stands for, so that a rule about one and a server that reads the other would
 * speak of different things: with dot segments, needlessly encoded characters, or characters no URI has.
 */
export function isPlainUri(uri: string): boolean {
  return !/[\p{Cc}\s\\]/u.test(uri) && !NEEDLESSLY_ENCODED.test(uri) && !DOT_SEGMENT.test(uri);
}
