import type { Token } from "./tokens.js";

const BEGINS = /^(?:begin(?: work)?|start transaction(?: read only| read write| with consistent snapshot)?)$/;
const ENDS = /^(?:commit|rollback)(?: work)?$/;
const WITHIN = /^(?:savepoint|rollback(?: work)? to(?: savepoint)?|release savepoint) \S+$/;

/**
 * The statements of a text that begin, divide and end its own transactions: when it ends each one that it begins, and
 * ends no other, the session is after it as it was before. None otherwise.
 */
export function ownTransactions(statements: readonly (readonly Token[])[]): ReadonlySet<readonly Token[]> {
  const own = new Set<readonly Token[]>();
  let isOpen = false;
  for (const tokens of statements) {
    const written = wordsOf(tokens);
    if (written === undefined) continue;
    if (BEGINS.test(written) && !isOpen) isOpen = true;
    else if (ENDS.test(written) && isOpen) isOpen = false;
    else if (!WITHIN.test(written) || !isOpen) return NONE;
    own.add(tokens);
  }
  return isOpen ? NONE : own;
}

const NONE: ReadonlySet<readonly Token[]> = new Set();
const FIRST = new Set("begin start commit rollback savepoint release xa".split(" "));

/** Of a statement about transactions, its words. */
function wordsOf(tokens: readonly Token[]): string | undefined {
  const [first] = tokens;
  if (first?.kind !== "word" || !FIRST.has(first.lower)) return undefined;
  return tokens.map((token) => (token.kind === "word" ? token.lower : "?")).join(" ");
}
