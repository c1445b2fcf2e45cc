const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs;

/**
 * JSON text with line breaks and indentation, every token as it was: parsing and printing again would change long
 * numbers and drop duplicate keys, and what is shown here may be evidence. Text that is not JSON comes back unchanged.
 */
export function indentedJson(text: string): string {
  if (!isJsonContainer(text)) return text;
  let result = "";
  let before = "";
  let depth = 0;
  for (const [token] of text.matchAll(TOKEN)) {
    if (isClosing(token)) depth -= 1;
    result += `${gap(before, token, depth)}${token}`;
    if (isOpening(token)) depth += 1;
    before = token;
  }
  return result;
}

/** What stands between two tokens. */
function gap(before: string, token: string, depth: number): string {
  if (before === ":") return " ";
  if (isOpening(before)) return isClosing(token) ? "" : lineBreak(depth);
  return before === "," || isClosing(token) ? lineBreak(depth) : "";
}

const isOpening = (token: string): boolean => token === "{" || token === "[";
const isClosing = (token: string): boolean => token === "}" || token === "]";
const lineBreak = (depth: number): string => `\n${"  ".repeat(depth)}`;

function isJsonContainer(text: string): boolean {
  if (!/^\s*[{[]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
