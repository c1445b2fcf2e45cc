import type { Token } from "./tokens.js";

/**
 * The words of MySQL's grammar that the parser may take as such. It knows words of many dialects: any other is written
 * in backticks, so that it is a name to the parser, as it is to the server.
 */
const GRAMMAR = new Set(
  `select from where and or not in is null true false unknown like rlike regexp between exists case when then else end as
  on using join inner left right outer cross natural straight_join union all distinct distinctrow any some order by group
  having limit offset asc desc with recursive insert into values value set update delete replace duplicate key for share
  of nowait skip locked use force ignore index partition over window rows range unbounded preceding following current row
  separator interval cast convert extract substring substr trim both leading trailing position match against boolean mode
  language query expansion collate member escape lateral except intersect default returning
  sql_calc_found_rows sql_no_cache sql_cache sql_small_result sql_big_result sql_buffer_result high_priority
  microsecond second minute hour day week month quarter year second_microsecond minute_microsecond minute_second
  hour_microsecond hour_second hour_minute day_microsecond day_second day_minute day_hour year_month
  date time timestamp datetime char nchar signed unsigned integer decimal double float real json binary
  json_table columns path nested ordinality error empty
  current_timestamp current_date current_time current_user localtime localtimestamp utc_date utc_time utc_timestamp
  global session local persist names`.split(/\s+/),
);

const BEFORE_OPERAND = new Set(
  "select where and or xor not in like rlike regexp between case when then else as on by having limit distinct all set = <=> < > <= >= <> != + - * / % ^ | & ~ ! ( , := || && << >> div mod interval returning using".split(
    " ",
  ),
);

interface Canonical {
  readonly text: string;
  /** It has operators whose place in the order of precedence the parser does not know: WHERE cannot be judged. */
  readonly precedenceUnsure: boolean;
}

/**
 * Writes the tokens of one statement again for the parser: with a space between any two, texts reduced to what the
 * facts need, and what the parser reads in another order than the server (`->`, BINARY, DIV, `||`) put so that it
 * cannot. The text is not for a server.
 */
export function canonical(statement: readonly Token[], pipesAreOr: boolean): Canonical {
  const tokens = withJoinsInUpdate(statement);
  const words: string[] = [];
  let precedenceUnsure = false;
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at];
    if (token === undefined) continue;
    const lower = token.kind === "word" ? token.lower : token.text;
    precedenceUnsure ||= isUnsure(token);
    const skipped = skippedAt(tokens, at);
    if (skipped > 0) {
      at += skipped - 1;
    } else if ((lower === "->" || lower === "->>") && token.kind === "symbol") {
      asFunction(words, tokens[++at]);
    } else {
      words.push(written(token, { before: tokens[at - 1], next: tokens[at + 1], pipesAreOr }));
    }
  }
  return { text: words.join(" "), precedenceUnsure };
}

/** `UPDATE a, b SET …` is the same as a join; the parser knows only that. */
function withJoinsInUpdate(tokens: readonly Token[]): readonly Token[] {
  if (!isWord(tokens[0], "update")) return tokens;
  const end = tokens.findIndex((token) => isWord(token, "set"));
  let depth = 0;
  return tokens.flatMap((token, at) => {
    if (isSymbol(token, "(")) depth++;
    if (isSymbol(token, ")")) depth--;
    return at < end && depth === 0 && isSymbol(token, ",") ? CROSS_JOIN : [token];
  });
}

const CROSS_JOIN: readonly Token[] = ["cross", "join"].map((text) => ({ kind: "word", text, lower: text }));

function isUnsure(token: Token): boolean {
  return token.kind === "word"
    ? token.lower === "xor" || token.lower === "sounds"
    : token.kind === "symbol" && (token.text === "!" || token.text === ":=");
}

const isWord = (token: Token | undefined, ...words: readonly string[]): boolean =>
  token?.kind === "word" && words.includes(token.lower);
const isSymbol = (token: Token | undefined, symbol: string): boolean =>
  token?.kind === "symbol" && token.text === symbol;

/** How many tokens from here on say nothing that facts need, and are not known to the parser. */
function skippedAt(tokens: readonly Token[], at: number): number {
  const token = tokens[at];
  if (token?.kind !== "word") return 0;
  const skips = Object.hasOwn(SKIPPED, token.lower) ? SKIPPED[token.lower] : undefined;
  return skips?.(tokens, at) ?? 0;
}

type Skip = (tokens: readonly Token[], at: number) => number;

const MODIFIED = "update delete insert replace low_priority quick delayed high_priority".split(" ");
const skipModifier: Skip = (tokens, at) => (isWord(tokens[at - 1], ...MODIFIED) ? 1 : 0);

const SKIPPED: Readonly<Record<string, Skip>> = {
  with: (tokens, at) => (isWord(tokens[at + 1], "rollup") ? 2 : 0),
  binary: (tokens, at) =>
    startsOperand(tokens[at - 1]) && isOperand(tokens[at + 1], tokens[at - 1]) ? 1 : 0,
  character: (tokens, at) => (isWord(tokens[at + 1], "set") && isSymbol(tokens[at + 3], ")") ? 3 : 0),
  charset: (tokens, at) => (tokens[at + 1]?.kind === "word" && isSymbol(tokens[at + 2], ")") ? 2 : 0),
  in: (tokens, at) => (isWord(tokens[at - 1], "lock") && isWord(tokens[at + 1], "share") ? 1 : 0),
  mode: (tokens, at) => (isWord(tokens[at - 1], "share") && isWord(tokens[at - 3], "lock") ? 1 : 0),
  sounds: (tokens, at) => (isWord(tokens[at + 1], "like") ? 1 : 0),
  low_priority: skipModifier,
  quick: skipModifier,
  delayed: skipModifier,
  high_priority: skipModifier,
  ignore: skipModifier,
};

function startsOperand(token: Token | undefined): boolean {
  if (token === undefined) return false;
  return token.kind === "word"
    ? BEFORE_OPERAND.has(token.lower)
    : token.kind === "symbol" && BEFORE_OPERAND.has(token.text);
}

/** Whether BINARY before this is the operator, and not a type: `AS binary(3)`, `, binary(3)`. */
function isOperand(token: Token | undefined, beforeBinary: Token | undefined): boolean {
  if (token === undefined) return false;
  if (isSymbol(token, "(")) {
    return !isWord(beforeBinary, "as") && !isSymbol(beforeBinary, ",");
  }
  return token.kind !== "symbol" && !isWord(beforeBinary, "as");
}

/** `a.b -> '$.c'` binds tighter than anything to the server: written as a function of the column. */
function asFunction(words: string[], path: Token | undefined): void {
  let start = words.length - 1;
  while (start >= 2 && words[start - 1] === ".") start -= 2;
  words.splice(Math.max(start, 0), 0, "`json_extract` (");
  words.push(",", path?.kind === "string" ? text(path.text, "'") : "->", ")");
}

interface Place {
  readonly before: Token | undefined;
  readonly next: Token | undefined;
  readonly pipesAreOr: boolean;
}

function written(token: Token, place: Place): string {
  switch (token.kind) {
    case "string":
      return text(token.text, token.quote);
    case "quoted":
      return name(token.text);
    case "symbol":
      return writtenSymbol(token.text, place.pipesAreOr);
    case "word":
      return writtenWord(token, place);
    case "number":
      return /^[0.]*\.$/.test(token.text) ? "0" : token.text;
    case "variable":
      return token.text;
  }
}

function writtenSymbol(symbol: string, pipesAreOr: boolean): string {
  if (symbol === "||") return pipesAreOr ? "OR" : "+";
  if (symbol === "&&") return "AND";
  return symbol === "!" ? "NOT" : symbol;
}

function writtenWord(token: Token & { kind: "word" }, { before, next }: Place): string {
  if (isSymbol(before, ".")) return name(token.text);
  if (token.lower.startsWith("_") && next?.kind === "string") return "";
  if (token.lower === "like" && isWord(before, "sounds")) return "=";
  const isGrammar = GRAMMAR.has(token.lower) && !isSymbol(next, ".");
  return writtenOperator(token.lower, next) ?? (isGrammar ? token.lower : name(token.text));
}

/** Operators that the parser does not know, or takes in another order than the server. */
function writtenOperator(lower: string, next: Token | undefined): string | undefined {
  if (lower === "xor") return "OR";
  if (lower === "div") return "/";
  if (lower === "lock" && isWord(next, "in")) return "FOR";
  return lower === "mod" && !isSymbol(next, "(") ? "/" : undefined;
}

/** A name may be long and hold anything: what facts and the parser cannot bear was refused before. */
function name(text: string): string {
  return `\`${text.replaceAll("`", "``")}\``;
}

function text(content: string, quote: string): string {
  return `${quote}${content.slice(0, 64).replaceAll(/[^\w %.^$*?|{}()[\]+-]/g, "x")}${quote}`;
}

/** The tokens of a statement without what does not change any fact and may be long: texts joined, long lists cut. */
export function shortened(tokens: readonly Token[]): Token[] {
  return withoutLongLists(joinStrings(tokens));
}

/** Texts one after another are one text to the server. */
function joinStrings(tokens: readonly Token[]): Token[] {
  const joined: Token[] = [];
  for (const token of tokens) {
    const last = joined.at(-1);
    if (token.kind === "string" && last?.kind === "string") {
      const quote = last.quote === "'" && token.quote === "'" ? "'" : '"';
      joined[joined.length - 1] = { kind: "string", text: last.text + token.text, quote };
    } else {
      joined.push(token);
    }
  }
  return joined;
}

const KEPT = 8;

/** Drops the rest of a list of plain values, or of rows of them, after the first few: thousands are as good as eight. */
function withoutLongLists(tokens: readonly Token[]): Token[] {
  const kept: Token[] = [];
  let run = 0;
  for (let at = 0; at < tokens.length;) {
    const length = isSymbol(tokens[at], ",") ? plainLength(tokens, at + 1) : 0;
    if (length === 0) {
      run = 0;
      kept.push(...tokens.slice(at, at + 1));
      at++;
      continue;
    }
    run++;
    if (run <= KEPT) kept.push(...tokens.slice(at, at + 1 + length));
    at += 1 + length;
  }
  return kept;
}

/** How many tokens a plain value, or a row of them, is long here; 0 when there is something else. */
function plainLength(tokens: readonly Token[], at: number): number {
  if (!isSymbol(tokens[at], "(")) {
    const length = valueLength(tokens, at);
    return endsValue(tokens[at + length]) ? length : 0;
  }
  for (let end = at + 1; ; end++) {
    const length = valueLength(tokens, end);
    if (length === 0) return 0;
    end += length;
    if (isSymbol(tokens[end], ")")) {
      return endsValue(tokens[end + 1]) ? end + 1 - at : 0;
    }
    if (!isSymbol(tokens[end], ",")) return 0;
  }
}

function valueLength(tokens: readonly Token[], at: number): number {
  const token = tokens[at];
  if (token?.kind === "number" || token?.kind === "string" || isWord(token, "null", "true", "false")) {
    return 1;
  }
  return (isSymbol(token, "-") || isSymbol(token, "+")) && tokens[at + 1]?.kind === "number" ? 2 : 0;
}

function endsValue(token: Token | undefined): boolean {
  return token === undefined || isSymbol(token, ",") || isSymbol(token, ")");
}
