/**
 * Tokens of MySQL and MariaDB, by the rules of the servers, not of the parser that comes after: what a server might
 * read in another way than we do is refused here. Texts are bounded before they come here.
 */
export type Token =
  | { readonly kind: "word"; readonly text: string; readonly lower: string }
  | { readonly kind: "quoted"; readonly text: string }
  | { readonly kind: "string"; readonly text: string; readonly quote: "'" | '"' }
  | { readonly kind: "number" | "symbol" | "variable"; readonly text: string };

/** In which way a server may read the same text: its sql_mode decides, and we do not know it. */
export interface Reading {
  readonly escapesInSingle: boolean;
  readonly escapesInDouble: boolean;
}

export interface Tokens {
  readonly tokens: readonly Token[];
  /** An optimizer hint changes a variable for its statement. */
  readonly hintSetsVariable: boolean;
  /** A backslash stands in a string, or a string is in double quotes: another reading may differ. */
  readonly dependsOnMode: boolean;
}

export class Unreadable extends Error {
  /** The server would have done the statements before this place, if there were any. */
  readonly afterStatement: boolean;

  constructor(reason: string, afterStatement: boolean) {
    super(reason);
    this.afterStatement = afterStatement;
  }
}

// Longest first. `:` and `@` are read elsewhere; what is not here (`[`, `{`, `\`, `$`) no server takes outside of strings.
const SYMBOLS = ["<=>", "->>", ":=", "->", "<=", ">=", "<>", "!=", "<<", ">>", "||", "&&"];
const SINGLE_SYMBOLS = new Set("=<>+-*/%^|&~!,().;?");

const SPACE = /[ \t\n\v\f\r]+/y;
// Letters beyond ASCII are letters of identifiers to the servers, spaces beyond ASCII too: those are nobody's intention.
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const HEX = /0x[0-9a-fA-F]+|0b[01]+/y;
const VARIABLE = /@@?[A-Za-z_\u0080-\uffff0-9.$]*/y;
const PLACEHOLDER = /:[A-Za-z_]\w*/y;
const WORD_PART = /[\w$\u0080-\uffff]/;
const INVISIBLE = /[\p{White_Space}\p{Cf}\p{Cc}\p{Co}\p{Cn}]/u;

/** Reads a text, or throws {@link Unreadable}. */
export function readTokens(text: string, reading: Reading): Tokens {
  return new Reader(text, reading).read();
}

class Reader {
  readonly #text: string;
  readonly #reading: Reading;
  readonly #tokens: Token[] = [];
  #at = 0;
  #hintSetsVariable = false;
  #dependsOnMode = false;
  #afterStatement = false;

  constructor(text: string, reading: Reading) {
    this.#text = text;
    this.#reading = reading;
  }

  read(): Tokens {
    while (this.#at < this.#text.length) {
      if (this.#match(SPACE) === undefined && !this.#comment()) {
        this.#tokens.push(this.#token());
      }
    }
    return {
      tokens: this.#tokens,
      hintSetsVariable: this.#hintSetsVariable,
      dependsOnMode: this.#dependsOnMode,
    };
  }

  #fail(reason: string): never {
    throw new Unreadable(reason, this.#afterStatement);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined || found === "") {
      return undefined;
    }
    this.#at += found.length;
    return found;
  }

  #startsWith(start: string): boolean {
    return this.#text.startsWith(start, this.#at);
  }

  #comment(): boolean {
    if (this.#startsWith("#")) {
      this.#lineComment();
      return true;
    }
    if (this.#startsWith("--")) {
      const next = this.#text.charCodeAt(this.#at + 2);
      if (next > 0x20) {
        this.#fail("-- is a comment only with a space after it");
      }
      this.#lineComment();
      return true;
    }
    if (this.#startsWith("/*")) {
      this.#blockComment();
      return true;
    }
    return false;
  }

  #lineComment(): void {
    const end = this.#text.indexOf("\n", this.#at);
    const comment = this.#text.slice(this.#at, end === -1 ? undefined : end);
    if (/\r./s.test(comment)) {
      this.#fail("a comment has a carriage return in its midst");
    }
    this.#at += comment.length;
  }

  #blockComment(): void {
    const rest = this.#text.slice(this.#at + 2, this.#at + 4);
    if (/^(?:!|[mM]!)/.test(rest)) {
      this.#fail("comments that some servers execute are not understood");
    }
    const end = this.#text.indexOf("*/", this.#at + 2);
    if (end === -1 || rest.startsWith("/")) {
      this.#fail("a comment does not end");
    }
    const body = this.#text.slice(this.#at + 2, end);
    if (body.includes("/*")) {
      this.#fail("a comment has another in it");
    }
    if (body.startsWith("+")) {
      this.#hint(body);
    }
    this.#at = end + 2;
  }

  #hint(body: string): void {
    if (/["'`\\]/.test(body)) {
      this.#fail("an optimizer hint has quotes in it");
    }
    this.#hintSetsVariable ||= /set_var|resource_group/i.test(body);
  }

  #token(): Token {
    const char = this.#text.charAt(this.#at);
    if (char === "'" || char === '"') {
      return { kind: "string", text: this.#string(char), quote: char };
    }
    if (char === "`") {
      return this.#backtickName();
    }
    return this.#prefixedString() ?? this.#number() ?? this.#word() ?? this.#symbol();
  }

  #backtickName(): Token {
    const end = this.#closing("`", false);
    const text = this.#text.slice(this.#at + 1, end).replaceAll("``", "`");
    this.#at = end + 1;
    if (text === "" || INVISIBLE.test(text.replaceAll(" ", ""))) {
      this.#fail("a quoted name is empty or has characters in it that do not show");
    }
    return { kind: "quoted", text };
  }

  #string(quote: "'" | '"'): string {
    const escapes = quote === "'" ? this.#reading.escapesInSingle : this.#reading.escapesInDouble;
    const end = this.#closing(quote, escapes);
    const raw = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    if (quote === '"' || raw.includes("\\")) {
      this.#dependsOnMode = true;
    }
    return raw.replaceAll(quote + quote, quote);
  }

  /** Where the quote is that closes what begins here. */
  #closing(quote: string, escapes: boolean): number {
    for (let at = this.#at + 1; at < this.#text.length; at++) {
      const char = this.#text[at];
      if (char === "\\" && escapes) {
        at++;
      } else if (char === quote) {
        if (this.#text[at + 1] !== quote) {
          return at;
        }
        at++;
      }
    }
    return this.#fail(`a ${quote} is not closed`);
  }

  /** `x'4a'`, `b'01'` and `n'…'`; an introducer as `_utf8'…'` is a word with a string after it. */
  #prefixedString(): Token | undefined {
    if (!/^[xXbBnN]'/.test(this.#text.slice(this.#at, this.#at + 2))) {
      return undefined;
    }
    const prefix = this.#text.charAt(this.#at).toLowerCase();
    this.#at++;
    const text = this.#string("'");
    if (prefix === "n") {
      return { kind: "string", text, quote: "'" };
    }
    if (!(prefix === "x" ? /^[0-9a-fA-F]*$/ : /^[01]*$/).test(text)) {
      this.#fail("a number in quotes has something else in it");
    }
    return { kind: "number", text: "0x00" };
  }

  #number(): Token | undefined {
    const start = this.#at;
    const afterName = this.#afterName();
    const text = this.#match(HEX) ?? this.#match(NUMBER);
    if (text === undefined) {
      return undefined;
    }
    if (afterName) {
      this.#fail("a name begins with a digit");
    }
    if (!WORD_PART.test(this.#text.charAt(this.#at))) {
      return { kind: "number", text };
    }
    // `2fa_codes` is a name; `1e5x` and `0xZZ` are not worth knowing.
    const tail = this.#match(/[\w$]+/y);
    if (/^\d+$/.test(text) && tail !== undefined && /^[a-df-z_][\w$]*$/i.test(tail) && text !== "0") {
      return { kind: "quoted", text: this.#text.slice(start, this.#at) };
    }
    return this.#fail("a number has letters after it");
  }

  /** `t.1a` is a name in `t`, `t .5` is not: digits right after a name and its dot. */
  #afterName(): boolean {
    const last = this.#tokens.at(-1);
    const before = this.#text.charAt(this.#at - 1);
    const name = last?.kind === "word" || last?.kind === "quoted" || last?.kind === "variable";
    return (before === "." && last?.text === ".") || (this.#startsWith(".") && name);
  }

  #word(): Token | undefined {
    const text = this.#match(WORD);
    if (text === undefined) {
      return undefined;
    }
    if (INVISIBLE.test(text) || /[\ud800-\udfff]/.test(text)) {
      this.#fail("a name has characters in it that do not show, or that no server takes");
    }
    // What has letters beyond ASCII is no keyword to a server, whatever its upper case is.
    return /^\w+$/.test(text) ? { kind: "word", text, lower: text.toLowerCase() } : { kind: "quoted", text };
  }

  /** A comment's end without its start; a star right before a comment is none. */
  #closesNothing(): boolean {
    return this.#startsWith("*/") && !this.#startsWith("*/*");
  }

  #symbol(): Token {
    const variable = this.#match(VARIABLE);
    if (variable !== undefined) {
      if (!/^[\x20-\x7e]+$/.test(variable)) {
        this.#fail("a variable has letters beyond ASCII in its name");
      }
      return { kind: "variable", text: variable };
    }
    const long = SYMBOLS.find((symbol) => this.#startsWith(symbol));
    if (long !== undefined) {
      this.#at += long.length;
      return { kind: "symbol", text: long };
    }
    const placeholder = this.#match(PLACEHOLDER);
    if (placeholder !== undefined) {
      return { kind: "number", text: "?" };
    }
    const char = this.#text.charAt(this.#at);
    if (!SINGLE_SYMBOLS.has(char) || this.#closesNothing()) {
      this.#fail("it has a character that means nothing to a server, or something to its client");
    }
    this.#at++;
    this.#afterStatement ||= char === ";";
    return { kind: "symbol", text: char };
  }
}
