import {
  type AndOr,
  type ArithmeticFor,
  type Assignment,
  type Command,
  type CommandExpansionPart,
  type Coproc,
  forEachChild,
  type For,
  type Function as ShellFunction,
  parse,
  type ParameterExpansionPart,
  type ParsedScript,
  type Pipeline,
  type PipelineNode,
  type ProcessSubstitutionPart,
  type Redirect,
  type Redirected,
  type Redirection,
  type Select,
  type Statement,
  type SyntaxNode,
  type Word,
} from "unbash";

import { type Analysis, FED, type Feed, NOT_FED } from "./analysis.js";
import { judgeVariable } from "./environment.js";
import { eitherOf, type Field, UNKNOWN_FIELDS } from "./field.js";
import type { Found } from "./found.js";
import { Functions } from "./functions.js";
import { judgeWrittenPath } from "./paths.js";
import { judgeProgram } from "./programs.js";
import { UnreadableLine } from "./unreadable-line.js";
import { Variables } from "./variables.js";
import { fieldsOf, singleField } from "./words.js";
import { refuseCostly, type WorkLimits } from "./work-limits.js";

/** Walks one script: a line, or the text of a `sh -c` within it. What it finds goes to `found`. */
export class Line implements Analysis {
  readonly found: Found;
  readonly limits: WorkLimits;
  readonly #variables: Variables;
  readonly #functions = new Functions();
  #feed: Feed = NOT_FED;
  #evaluates = false;
  #hasBracketedCode = false;

  /** `outer`: the line that this text stands in. */
  constructor(source: string, shared: Pick<Analysis, "found" | "limits">, outer?: Line) {
    this.found = shared.found;
    this.limits = shared.limits;
    this.#variables = new Variables(source, { limits: this.limits, isOutermost: outer === undefined });
  }

  walk(source: string, feed: Feed): void {
    refuseCostly(source);
    this.limits.spend(source.length);
    this.limits.nested(() => {
      this.#fed(feed, () => this.#visit(parse(source)));
    });
    if (this.#evaluates && this.#hasBracketedCode) this.found.mark("dynamic");
    if (this.#functions.callThemselves()) this.found.mark("destructive");
  }

  script(text: string, feed: Feed): void {
    new Line(text, this, this).walk(text, feed);
  }

  program(fields: readonly Field[], feed: Feed): void {
    this.limits.wrapped(fields.length, () => judgeProgram(this, fields, feed));
  }

  changesVariable(name: string): void {
    if (this.#variables.isConstant(name)) this.found.mark("dynamic");
  }

  evaluates(): void {
    this.#evaluates = true;
  }

  /** Every node of the grammar has a row: one that has none makes the line unreadable. */
  static readonly #visitors: Visitors = {
    Script: (line, node) => line.#script(node),
    Statement: (line, node) => line.#statement(node),
    CompoundList: (line, node) => line.#children(node),
    AndOr: (line, node) => line.#andOr(node),
    Pipeline: (line, node) => line.#pipeline(node),
    Command: (line, node) => line.#command(node),
    Redirected: (line, node) => line.#redirected(node),
    Function: (line, node) => line.#function(node),
    Coproc: (line, node) => line.#coproc(node),
    If: (line, node) => {
      line.#visit(node.clause);
      line.#block(() => line.#visit(node.then));
      for (const branch of node.elif) line.#block(() => line.#visit(branch));
      if (node.else !== undefined) line.#block(() => line.#visit(node.else as SyntaxNode));
    },
    Elif: (line, node) => line.#children(node),
    While: (line, node) => line.#block(() => line.#children(node)),
    For: (line, node) => line.#loop(node),
    Select: (line, node) => line.#loop(node),
    ArithmeticFor: (line, node) => line.#arithmeticFor(node),
    Subshell: (line, node) => line.#block(() => line.#children(node)),
    BraceGroup: (line, node) => line.#children(node),
    Case: (line, node) => line.#children(node),
    CaseItem: (line, node) => line.#block(() => line.#children(node)),
    TestCommand: (line, node) => {
      line.#evaluates = true;
      line.#children(node);
    },
    ArithmeticCommand: (line, node) => line.#arithmetic(node),
    ArithmeticBinary: (line, node) => line.#arithmetic(node),
    ArithmeticUnary: (line, node) => line.#arithmetic(node),
    ArithmeticTernary: (line, node) => line.#arithmetic(node),
    ArithmeticGroup: (line, node) => line.#arithmetic(node),
    ArithmeticWord: (line, node) => line.#arithmetic(node),
    ArithmeticCommandExpansion: (line, node) => line.#substitution(node, NOT_FED),
    TestUnary: (line, node) => line.#children(node),
    TestBinary: (line, node) => line.#children(node),
    TestLogical: (line, node) => line.#children(node),
    TestNot: (line, node) => line.#children(node),
    TestGroup: (line, node) => line.#children(node),
    Word: (line, node) => line.#word(node),
    Assignment: (line, node) => line.#assignment(node),
    ArrayValue: (line, node) => line.#children(node),
    Redirect: (line, node) => line.#redirect(node),
    HereString: (line, node) => line.#children(node),
    HereDoc: (line, node) => {
      if (node.closing === undefined) throw new UnreadableLine("a here-document does not end");
      line.#children(node);
    },
    HereDocBody: (line, node) => {
      line.limits.spend(node.text.length);
      line.#children(node);
    },
    HereDocDelimiter: () => undefined,
    FileDescriptor: () => undefined,
    FileDescriptorVariable: (line, node) => line.changesVariable(node.name),
    Literal: () => undefined,
    SingleQuoted: () => undefined,
    AnsiCQuoted: () => undefined,
    DoubleQuoted: (line, node) => line.#children(node),
    LocaleString: (line, node) => line.#children(node),
    Glob: (line, node) => line.#children(node),
    BraceExpansion: (line, node) => line.#children(node),
    ExtendedGlob: (line, node) => {
      // In zsh the same letters run code: *(e:'program':).
      if (!node.pattern.includes("|")) line.found.mark("dynamic");
      line.#children(node);
    },
    SimpleExpansion: () => undefined,
    ParameterExpansion: (line, node) => line.#parameter(node),
    CommandExpansion: (line, node) => line.#substitution(node, NOT_FED),
    ArithmeticExpansion: (line, node) => {
      if (node.expression === undefined && /[`$]/.test(node.text.slice(1)))
        throw new UnreadableLine("its arithmetic was not understood");
      line.#arithmetic(node);
    },
    ProcessSubstitution: (line, node) => line.#substitution(node, node.operator === ">" ? FED : NOT_FED),
    Default: (line, node) => line.#children(node),
    Remove: (line, node) => line.#children(node),
    Replace: (line, node) => line.#children(node),
    Slice: (line, node) => {
      line.#evaluates = true;
      line.#children(node);
    },
    CaseModification: (line, node) => line.#children(node),
    Transform: (line, node) => {
      // ${x@P} expands what is in the value once more.
      if (/[PE]/.test(node.operand.text)) line.found.mark("runsCode");
      line.#children(node);
    },
    Names: () => undefined,
    Unknown: () => {
      throw new UnreadableLine("an expansion was not understood");
    },
    Time: () => undefined,
    Negation: () => undefined,
  };

  #visit(node: SyntaxNode): void {
    const visitor = Line.#visitors[node.type] as Visitor | undefined;
    if (visitor === undefined) throw new UnreadableLine("it has syntax that is not known here");
    this.limits.node(() => visitor(this, node));
  }

  #children(node: SyntaxNode): void {
    forEachChild(node, (child) => this.#visit(child));
  }

  #arithmetic(node: SyntaxNode): void {
    this.#evaluates = true;
    this.#children(node);
  }

  #script(node: ParsedScript): void {
    const error = node.errors?.[0];
    if (error !== undefined)
      throw new UnreadableLine(`the shell's grammar does not allow it: ${error.message}`);
    this.#children(node);
    // Errors of nested words appear once they were looked at.
    if (node.errors?.[0] !== undefined) throw new UnreadableLine(`the shell's grammar does not allow it`);
  }

  #statement(node: Statement): void {
    if (node.background !== true) {
      this.#visit(node.command);
      return;
    }
    this.found.mark("background");
    this.#block(() => this.#visit(node.command));
  }

  /** Only the first of `a && b || c` runs for certain; b runs when a did. */
  #andOr(node: AndOr): void {
    const [first, ...others] = node.commands;
    if (first !== undefined) this.#visit(first);
    const onlyAnd = node.operators.every((operator) => operator === "&&");
    if (onlyAnd) {
      this.#block(() => {
        for (const command of others) this.#visit(command);
      });
    } else {
      for (const command of others) this.#block(() => this.#visit(command));
    }
  }

  #pipeline(node: Pipeline): void {
    const [first] = node.commands;
    if (node.commands.length === 1 && first !== undefined) {
      this.#visit(first);
      return;
    }
    let before: PipelineNode | undefined;
    for (const command of node.commands) {
      const feed = before === undefined ? this.#feed : this.#outputOf(before);
      this.#fed(feed, () => this.#block(() => this.#visit(command)));
      before = command;
    }
  }

  /** What a command prints, when the line itself says it: echo of constants, cat of a here-document. */
  #outputOf(node: PipelineNode): Feed {
    if (node.type !== "Command") return FED;
    const [name, ...words] = this.#fieldsOf(node);
    const texts = words.map((word) => word.text);
    if (name?.text === "cat" && words.length === 0) return this.#feedOf(node.redirects) ?? FED;
    const isPlain = texts.every(
      (text) => text !== undefined && !text.startsWith("-") && !text.includes("\\"),
    );
    return name?.text === "echo" && isPlain && node.redirects.length === 0
      ? { fed: true, text: texts.join(" ") }
      : FED;
  }

  #redirected(node: Redirected): void {
    for (const redirect of node.redirects) this.#visit(redirect);
    this.#fed(this.#feedOf(node.redirects) ?? this.#feed, () => this.#visit(node.command));
  }

  #command(node: Command): void {
    this.#children(node);
    const fields = this.#fieldsOf(node);
    const feed = this.#feedOf(node.redirects) ?? this.#feed;
    this.#judgeSetVariables(node, fields[0]);
    this.#judgeTruncation(node, fields);
    for (const field of fields) this.#lookForBracketedCode(field);
    const name = fields[0]?.text;
    if (name !== undefined) this.#functions.called(name);
    if (name === undefined || !this.#functions.has(name)) this.program(fields, feed);
  }

  #fieldsOf(node: Command): readonly Field[] {
    const words = node.name === undefined ? [] : fieldsOf(node.name, this.#variables);
    return [...words, ...node.args.flatMap((word) => this.#argument(word))];
  }

  #argument(word: Word | Assignment): readonly Field[] {
    if (word.type === "Word") return fieldsOf(word, this.#variables);
    // An argument of export and its like: NAME=value.
    const value = word.value.type === "Word" ? singleField(word.value, this.#variables) : UNKNOWN_FIELDS;
    return [{ text: undefined, prefix: `${word.name}=`, suffix: value.suffix, splits: false, operand: true }];
  }

  /** Assignments before a program are in its environment; alone they set variables of the shell. */
  #judgeSetVariables(node: Command, program: Field | undefined): void {
    for (const assignment of node.prefix) {
      if (assignment.type !== "Assignment") continue;
      if (assignment.name === "IFS" && program?.text === "read") continue;
      judgeVariable(this, assignment.name);
    }
  }

  /** A file that gets the output of a command which has none is emptied. */
  #judgeTruncation(node: Command, fields: readonly Field[]): void {
    const [name, ...words] = fields.map((field) => field.text);
    const prints = !(name === undefined ? fields.length === 0 : printsNothing(name, words));
    if (prints) return;
    const truncates = node.redirects.some(
      (redirect) =>
        redirect.type === "Redirect" &&
        /^(?:>|>\||&>|<>)$/.test(redirect.operator) &&
        !this.#isDevice(redirect),
    );
    if (truncates) this.found.mark("destructive");
  }

  #isDevice(redirect: Redirect): boolean {
    const target = redirect.target === undefined ? undefined : singleField(redirect.target, this.#variables);
    return target?.prefix.startsWith("/dev/") === true;
  }

  #feedOf(redirects: readonly Redirection[]): Feed | undefined {
    const input = redirects.findLast(
      (redirect) => redirect.operator.startsWith("<") && descriptorOf(redirect) === 0,
    );
    if (input === undefined) return undefined;
    if (input.type === "HereDoc") return { fed: true, ...textOf(hereDocText(input)) };
    if (input.target === undefined) return FED;
    const target = singleField(input.target, this.#variables);
    if (input.type === "HereString") return { fed: true, ...textOf(target.text) };
    return target.text === "/dev/null" || target.text === "-" ? NOT_FED : FED;
  }

  #redirect(node: Redirect): void {
    this.#children(node);
    this.limits.call();
    const target = this.#targetOf(node);
    // 2>&1, 3>&-: a descriptor, no file.
    if (node.operator.endsWith("&") && /^(?:\d+-?|-)$/.test(target.text ?? "")) return;
    if (/^\/dev\/(?:tcp|udp)\//.test(target.prefix)) this.found.mark("network", "sendsData");
    if (HARMLESS_TARGET.test(target.text ?? "")) return;
    this.found.redirections.add(`${arrow(node.operator)} ${shown(target, node)}`);
    if (node.operator.includes(">")) judgeWrittenPath(this, target);
  }

  #targetOf(node: Redirect): Field {
    if (node.target === undefined) throw new UnreadableLine("a redirection has no target");
    const [target = UNKNOWN_FIELDS, ...others] = fieldsOf(node.target, this.#variables);
    if (others.length > 0) throw new UnreadableLine("a redirection has several targets");
    return target;
  }

  #assignment(node: Assignment): void {
    this.#children(node);
    const isWhole = node.index === undefined && node.append !== true && node.value.type === "Word";
    const value =
      isWhole && node.value.type === "Word" ? singleField(node.value, this.#variables) : undefined;
    if (node.index !== undefined) this.#evaluates = true;
    if (value !== undefined) this.#lookForBracketedCode(value);
    this.#variables.assign(node.name, value?.text === undefined ? undefined : value);
  }

  #word(node: Word): void {
    if (/[$`<>{]/.test(node.text)) this.limits.spend(node.text.length);
    this.#children(node);
    if (node.text.includes("[")) this.#lookForBracketedCode(singleField(node, this.#variables));
  }

  #lookForBracketedCode(field: Field): void {
    if (field.text !== undefined && /\[[^\][]*(?:\$\(|`|\$\{)/.test(field.text))
      this.#hasBracketedCode = true;
  }

  #parameter(node: ParameterExpansionPart): void {
    if (node.parameter === "") throw new UnreadableLine("an expansion was not understood");
    if (node.prefix === "!" && node.operation?.type !== "Names" && node.index === undefined)
      this.found.mark("dynamic");
    if (node.index !== undefined) this.#evaluates = true;
    if (node.operation?.type === "Default" && node.operation.operator.endsWith("="))
      this.changesVariable(node.parameter);
    this.#children(node);
  }

  #substitution(node: Substitution, feed: Feed): void {
    this.found.mark("substitutions");
    this.limits.spend(node.text.length);
    this.limits.nested(() => {
      const script = node.script;
      if (script === undefined) throw new UnreadableLine("a substitution was not understood");
      this.#fed(feed.fed ? feed : this.#feed, () => this.#block(() => this.#visit(script)));
    });
  }

  #function(node: ShellFunction): void {
    const name = node.name.value;
    this.#functions.define(name, () => this.#block(() => this.#visit(node.body)));
  }

  #coproc(node: Coproc): void {
    this.found.mark("background");
    if (node.name !== undefined) this.changesVariable(node.name.value);
    this.#block(() => this.#children(node));
  }

  #loop(node: For | Select): void {
    const words = node.wordlist ?? [];
    for (const word of words) this.#visit(word);
    const values =
      node.wordlist === undefined || node.type === "Select"
        ? [UNKNOWN_FIELDS]
        : words.flatMap((word) => fieldsOf(word, this.#variables));
    judgeVariable(this, node.name.value);
    this.#block(() => {
      // Each word is one value: "$file" does not split, $file does where the value has blanks.
      if (values.length > 0) this.#variables.assign(node.name.value, eitherOf(values));
      this.#visit(node.body);
    });
  }

  #arithmeticFor(node: ArithmeticFor): void {
    this.#evaluates = true;
    this.#block(() => this.#children(node));
  }

  #block(work: () => void): void {
    this.#functions.block(() => this.#variables.block(work));
  }

  #fed(feed: Feed, work: () => void): void {
    const before = this.#feed;
    this.#feed = feed;
    work();
    this.#feed = before;
  }
}

type Visitor = (line: Line, node: SyntaxNode) => void;
type Visitors = {
  readonly [Type in SyntaxNode["type"]]: (line: Line, node: Extract<SyntaxNode, { type: Type }>) => void;
};

type Substitution =
  | CommandExpansionPart
  | ProcessSubstitutionPart
  | Extract<SyntaxNode, { type: "ArithmeticCommandExpansion" }>;

const HARMLESS_TARGET = /^\/dev\/(?:null|stdout|stderr|tty|fd\/\d+)$/;

function printsNothing(name: string, words: readonly (string | undefined)[]): boolean {
  if (name === ":" || name === "true" || name === "false") return true;
  if (name === "cat") return words.length > 0 && words.every((word) => word === "/dev/null");
  if (name !== "echo" && name !== "printf") return false;
  const printed = words.filter((word) => word !== "-n" && word !== "");
  return printed.length === 0 && words.length > 0;
}

function shown(target: Field, node: Redirect): string {
  return target.text ?? node.target?.text ?? "";
}

function arrow(operator: string): string {
  if (operator.includes(">>")) return ">>";
  return operator.includes(">") ? ">" : "<";
}

function descriptorOf(redirect: Redirection): number {
  if (redirect.descriptor === undefined) return 0;
  return redirect.descriptor.type === "FileDescriptor" ? redirect.descriptor.value : -1;
}

function hereDocText(redirect: Extract<Redirection, { type: "HereDoc" }>): string | undefined {
  const parts = redirect.body.parts;
  if (redirect.delimiter?.quoted === true || parts === undefined) return redirect.body.text;
  return parts.every((part) => part.type === "Literal") ? redirect.body.text : undefined;
}

function textOf(text: string | undefined): { readonly text?: string } {
  return text === undefined ? {} : { text };
}
