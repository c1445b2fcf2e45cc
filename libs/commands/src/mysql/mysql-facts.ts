import { refusedUnparsed } from "../command-texts.js";
import type { SqlFacts } from "../facts.js";
import { unreadSql } from "../unread-facts.js";
import { shortened } from "./canonical.js";
import { Effects } from "./effects.js";
import { isMysqlParserLoaded } from "./parser.js";
import { addStatement } from "./statements.js";
import { type Reading, readTokens, type Token, type Tokens, Unreadable } from "./tokens.js";
import { ownTransactions } from "./transactions.js";
import { Work } from "./work-limits.js";

export { loadMysqlParser } from "./parser.js";

/** As servers read by default; then with NO_BACKSLASH_ESCAPES; then with ANSI_QUOTES. */
const DEFAULT_READING: Reading = { escapesInSingle: true, escapesInDouble: true };
const OTHER_READINGS: readonly Reading[] = [
  { escapesInSingle: false, escapesInDouble: false },
  { escapesInSingle: true, escapesInDouble: false },
];

/** What the texts of one operation would do on a MySQL or MariaDB server. Never throws. */
export function mysqlFacts(texts: readonly string[]): SqlFacts {
  const refused = refusedUnparsed(texts);
  if (refused !== undefined) return unreadSql("mysql", refused);
  if (!isMysqlParserLoaded()) return unreadSql("mysql", "the parser is not loaded");
  const effects = new Effects();
  try {
    const work = new Work();
    for (const text of texts) addText(text, effects, work);
  } catch (error) {
    return unreadSql("mysql", error instanceof Unreadable ? error.message : "its grammar is not understood");
  }
  return effects.facts();
}

/** Adds what a text does in every way that a server may read it: the mode it runs in is not known. */
function addText(text: string, effects: Effects, work: Work): void {
  const usual = readTokens(text, DEFAULT_READING);
  effects.statements += addReading(usual, effects, work);
  if (!usual.dependsOnMode) return;
  for (const reading of OTHER_READINGS) {
    const other = otherTokens(text, reading);
    if (other !== undefined && !isSame(usual.tokens, other.tokens)) addReading(other, effects, work);
  }
}

/** The tokens of another reading; undefined when a server with that mode refuses the whole text and does nothing. */
function otherTokens(text: string, reading: Reading): Tokens | undefined {
  try {
    return readTokens(text, reading);
  } catch (error) {
    if (error instanceof Unreadable && !error.afterStatement) return undefined;
    throw error;
  }
}

function isSame(left: readonly Token[], right: readonly Token[]): boolean {
  return (
    left.length === right.length &&
    left.every((token, at) => token.kind === right[at]?.kind && token.text === right[at].text)
  );
}

/** Adds the statements of one reading, and answers how many they are. */
function addReading(read: Tokens, effects: Effects, work: Work): number {
  effects.changesSession ||= read.hintSetsVariable;
  const statements = split(read.tokens).map(shortened);
  if (statements.length === 0) throw new Unreadable("there is no statement in it", false);
  const own = ownTransactions(statements);
  for (const tokens of statements) {
    work.add(tokens);
    if (own.has(tokens)) {
      effects.kinds.add("transaction");
      continue;
    }
    addStatement(tokens, { effects, pipesAreOr: true });
    if (tokens.some((token) => token.kind === "symbol" && token.text === "||")) {
      work.add(tokens);
      addStatement(tokens, { effects, pipesAreOr: false });
    }
  }
  return statements.length;
}

function split(tokens: readonly Token[]): Token[][] {
  const statements: Token[][] = [];
  let current: Token[] = [];
  for (const token of tokens) {
    if (token.kind === "symbol" && token.text === ";") {
      if (current.length > 0) statements.push(current);
      current = [];
    } else {
      current.push(token);
    }
  }
  if (current.length > 0) statements.push(current);
  return statements;
}
