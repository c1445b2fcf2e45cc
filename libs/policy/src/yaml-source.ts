import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Pair,
  Parser,
} from "yaml";

/** Far more than a policy of thousands of rules has; beyond it a text costs more time than the others should wait. */
const MAX_PARTS = 50_000;
/** Policies are nested 8 deep. What reads the tree calls itself for each level. */
const MAX_DEPTH = 64;

/** What is wrong with a text, and in which line. */
export class YamlProblem extends Error {
  override readonly name = "YamlProblem";
  readonly line: number | undefined;

  constructor(message: string, line: number | undefined) {
    super(message);
    this.line = line;
  }
}

/** A value of plain JSON, and where its parts were written. */
export interface YamlValue {
  readonly value: unknown;
  /** The line of the innermost part of the path that is written down. */
  readonly lineOf: (path: readonly PropertyKey[]) => number | undefined;
}

/**
 * Reads one YAML or JSON document. In time linear to its length, whatever it says: how many parts it has and how deep they
 * are is counted before anything is built of them. @throws YamlProblem
 */
export function readYaml(source: string): YamlValue {
  refuseWhatIsTooMuch(source);
  const lines = new LineCounter();
  const lineAt = (offset: number) => Math.max(1, lines.linePos(offset).line);
  const document = theOnlyDocument(source, lines);
  const [error] = [...document.errors, ...document.warnings];
  if (error) throw new YamlProblem(inWords(error), lineAt(error.pos[0]));
  refuseWhatIsNotPlain(document.contents, lineAt);
  return {
    value: document.toJS(),
    lineOf: (path) => {
      for (let length = path.length; length >= 0; length--) {
        const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
        if (isNode(node) && node.range) return lineAt(node.range[0]);
      }
      return undefined;
    },
  };
}

/** Cutting a text into lexemes takes a tenth of the time that reading it takes. */
function refuseWhatIsTooMuch(source: string): void {
  let parts = 0;
  let depth = 0;
  let line = 1;
  for (const lexeme of new Lexer().lex(source)) {
    parts += 1;
    depth += DEEPER.get(lexeme) ?? 0;
    if (depth > MAX_DEPTH) throw tooDeep(line);
    if (parts > MAX_PARTS)
      throw new YamlProblem(`it has more than ${MAX_PARTS} parts; make several policies of it`, line);
    line += lexeme.split("\n").length - 1;
  }
}

/** How deep blocks are only the parser knows. */
const DEEPER = new Map([
  ["[", 1],
  ["{", 1],
  ["]", -1],
  ["}", -1],
]);

function tooDeep(line: number): YamlProblem {
  return new YamlProblem(`it is nested more than ${MAX_DEPTH} deep`, line);
}

function theOnlyDocument(source: string, lines: LineCounter): Document.Parsed {
  // Duplicate keys are looked for here: the composer would compare each key with each other one.
  const composer = new Composer({ uniqueKeys: false, prettyErrors: false });
  let document: Document.Parsed | undefined;
  for (const composed of composer.compose(tokensOf(source, lines), true, source.length)) {
    if (document)
      throw new YamlProblem("there are several documents; write one", lineOfStart(composed, lines));
    document = composed;
  }
  if (!document) throw new YamlProblem("there is no document", undefined);
  return document;
}

function lineOfStart({ range }: Document.Parsed, lines: LineCounter): number {
  return Math.max(1, lines.linePos(range[0]).line);
}

function* tokensOf(source: string, lines: LineCounter) {
  const parser = new Parser();
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(source)) {
    for (const token of parser.next(lexeme)) {
      if (token.type === "error") throw new YamlProblem(firstLine(token.message), lineNow());
      if (token.type === "directive") throw new YamlProblem("YAML directives are not read", lineNow());
      yield token;
    }
    if (parser.stack.length > MAX_DEPTH) throw tooDeep(lineNow());
    countLines(lexeme, parser.offset, lines);
  }
  yield* parser.end();

  function lineNow(): number {
    return Math.max(1, lines.lineStarts.length);
  }
}

/** `end`: where the lexeme ends in the text. */
function countLines(lexeme: string, end: number, lines: LineCounter): void {
  for (let at = lexeme.indexOf("\n"); at !== -1; at = lexeme.indexOf("\n", at + 1))
    lines.addNewLine(end - lexeme.length + at + 1);
}

type LineAt = (offset: number) => number;

/** Aliases could make a small text a huge document; of two equal keys nobody can say which counts; Postgres keeps no NUL. */
function refuseWhatIsNotPlain(node: unknown, lineAt: LineAt): void {
  const problem = problemOf(node);
  if (problem !== undefined) throw problemAt(node, problem, lineAt);
  if (isSeq(node)) for (const item of node.items) refuseWhatIsNotPlain(item, lineAt);
  if (isMap(node)) refuseKeysAndValues(node.items, lineAt);
}

function problemOf(node: unknown): string | undefined {
  if (isAlias(node)) return "YAML aliases are not read; write the parts out";
  const isText = isScalar(node) && typeof node.value === "string";
  return isText && !isStorable(node.value)
    ? "take out the NUL or the half of a character; the file must be UTF-8"
    : undefined;
}

function refuseKeysAndValues(pairs: readonly Pair[], lineAt: LineAt): void {
  const seen = new Set<string>();
  for (const { key, value } of pairs) {
    if (!isScalar(key)) throw problemAt(key, "a key must be a text", lineAt);
    const name = String(key.value);
    if (name === "__proto__")
      throw problemAt(key, 'take out the key "__proto__": no part is called so', lineAt);
    if (seen.has(name))
      throw problemAt(key, `the key ${JSON.stringify(name.slice(0, 100))} is there twice`, lineAt);
    seen.add(name);
    refuseWhatIsNotPlain(key, lineAt);
    refuseWhatIsNotPlain(value, lineAt);
  }
}

function problemAt(node: unknown, message: string, lineAt: LineAt): YamlProblem {
  return new YamlProblem(message, isNode(node) && node.range ? lineAt(node.range[0]) : undefined);
}

function isStorable(text: unknown): boolean {
  return typeof text === "string" && !text.includes("\0") && text.isWellFormed();
}

/** What to do about what the parser does not understand, where that is known. */
const ADVICE: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'put quotes around a text that begins with *, such as "*"',
  BAD_DQ_ESCAPE: "write the backslash twice, or put single quotes around the text",
  BLOCK_AS_IMPLICIT_KEY:
    "correct the indentation, or put quotes around a text that has a colon and a space in it",
  BAD_INDENT: "correct the indentation",
  BAD_SCALAR_START: "put quotes around the text",
  MISSING_CHAR: "close what was opened, or put quotes around the text",
  TAB_AS_INDENT: "indent with spaces",
  TAG_RESOLVE_FAILED: "put quotes around a text that begins with !",
  UNEXPECTED_TOKEN: "put single quotes around the whole text",
};

function inWords({ code, message }: { readonly code: string; readonly message: string }): string {
  const advice = ADVICE[code];
  const says = firstLine(message);
  return advice === undefined ? says : `${advice} (${says.charAt(0).toLowerCase()}${says.slice(1)})`;
}

/** Messages hold parts of the text. */
const MAX_MESSAGE = 300;

function firstLine(message: string): string {
  return (message.split("\n")[0] ?? "").slice(0, MAX_MESSAGE);
}
