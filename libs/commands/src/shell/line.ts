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
import type { WorkLimits } from "./work-limits.js";

/** Walks one script: a line, or the text of a `sh -c` within it. What it finds goes to `found`. */
export class Line implements Analysis {
  readonly found: Found;
  readonly limits: WorkLimits;
  readonly #variables: Variables;
  readonly #functions = new Functions();
  #feed: Feed = NOT_FED;
  #evaluates = false;
  #hasBracketedCode = false;

  constructor(source: string, shared: Pick<Analysis, "found" | "limits">) {
    this.found = shared.found;
    this.limits = shared.limits;
    this.#variables = new Variables(source);
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
    new Line(text, this).walk(text, feed);
  }

  program(fields: readonly Field[], feed: Feed): void {
    judgeProgram(this, fields, feed);
  }

  changesVariable(name: string): void {
    if (this.#variables.isConstant(name)) this.found.mark("dynamic");
  }

  evaluates(): void {
    this.#evaluates = true;
  }

  /** Every node of the grammar has a row: one that has none makes the line unreadable. */
  readonly #visitors: Visitors = {
    Script: (node) => this.#script(node),
    Statement: (node) => this.#statement(node),
    CompoundList: (node) => this.#children(node),
    AndOr: (node) => this.#andOr(node),
    Pipeline: (node) => this.#pipeline(node),
    Command: (node) => this.#command(node),
    Redirected: (node) => this.#redirected(node),
    Function: (node) => this.#function(node),
    Coproc: (node) => this.#coproc(node),
    If: (node) => {
      this.#visit(node.clause);
      this.#block(() => this.#visit(node.then));
      for (const branch of node.elif) this.#block(() => this.#visit(branch));
      if (node.else !== undefined) this.#block(() => this.#visit(node.else as SyntaxNode));
    },
    Elif: (node) => this.#children(node),
    While: (node) => this.#block(() => this.#children(node)),
    For: (node) => this.#loop(node),
    Select: (node) => this.#loop(node),
    ArithmeticFor: (node) => this.#arithmeticFor(node),
    Subshell: (node) => this.#block(() => this.#children(node)),
    BraceGroup: (node) => this.#children(node),
    Case: (node) => this.#children(node),
    CaseItem: (node) => this.#block(() => this.#children(node)),
    TestCommand: (node) => {
      this.#evaluates = true;
      this.#children(node);
    },
    ArithmeticCommand: (node) => this.#arithmetic(node),
    ArithmeticBinary: (node) => this.#arithmetic(node),
    ArithmeticUnary: (node) => this.#arithmetic(node),
    ArithmeticTernary: (node) => this.#arithmetic(node),
    ArithmeticGroup: (node) => this.#arithmetic(node),
    ArithmeticWord: (node) => this.#arithmetic(node),
    ArithmeticCommandExpansion: (node) => this.#substitution(node, NOT_FED),
    TestUnary: (node) => this.#children(node),
    TestBinary: (node) => this.#children(node),
    TestLogical: (node) => this.#children(node),
    TestNot: (node) => this.#children(node),
    TestGroup: (node) => this.#children(node),
    Word: (node) => this.#word(node),
    Assignment: (node) => this.#assignment(node),
    ArrayValue: (node) => this.#children(node),
    Redirect: (node) => this.#redirect(node),
    HereString: (node) => this.#children(node),
    HereDoc: (node) => {
      if (node.closing === undefined) throw new UnreadableLine("a here-document does not end");
      this.#children(node);
    },
    HereDocBody: (node) => {
      this.limits.spend(node.text.length);
      this.#children(node);
    },
    HereDocDelimiter: () => undefined,
    FileDescriptor: () => undefined,
    FileDescriptorVariable: (node) => this.changesVariable(node.name),
    Literal: () => undefined,
    SingleQuoted: () => undefined,
    AnsiCQuoted: () => undefined,
    DoubleQuoted: (node) => this.#children(node),
    LocaleString: (node) => this.#children(node),
    Glob: (node) => this.#children(node),
    BraceExpansion: (node) => this.#children(node),
    ExtendedGlob: (node) => {
      // In zsh the same letters run code: *(e:'program':).
      if (!node.pattern.includes("|")) this.found.mark("dynamic");
      this.#children(node);
    },
    SimpleExpansion: () => undefined,
    ParameterExpansion: (node) => this.#parameter(node),
    CommandExpansion: (node) => this.#substitution(node, NOT_FED),
    ArithmeticExpansion: (node) => {
      if (node.expression === undefined && /[`$]/.test(node.text.slice(1)))
        throw new UnreadableLine("its arithmetic was not understood");
      this.#arithmetic(node);
    },
    ProcessSubstitution: (node) => this.#substitution(node, node.operator === ">" ? FED : NOT_FED),
    Default: (node) => this.#children(node),
    Remove: (node) => this.#children(node),
    Replace: (node) => this.#children(node),
    Slice: (node) => {
      this.#evaluates = true;
      this.#children(node);
    },
    CaseModification: (node) => this.#children(node),
    Transform: (node) => {
      // ${x@P} expands what is in the value once more.
      if (/[PE]/.test(node.operand.text)) this.found.mark("runsCode");
      this.#children(node);
    },
    Names: () => undefined,
    Unknown: () => {
      throw new UnreadableLine("an expansion was not understood");
    },
    Time: () => undefined,
    Negation: () => undefined,
  };

  #visit(node: SyntaxNode): void {
    this.limits.node();
    const visitor = this.#visitors[node.type] as ((node: SyntaxNode) => void) | undefined;
    if (visitor === undefined) throw new UnreadableLine("it has syntax that is not known here");
    visitor(node);
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
    const [first, ...others] = node.commands;
    if (others.length === 0 && first !== undefined) {
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
    if (node.target === undefined) throw new UnreadableLine("a redirection has no target");
    const fields = fieldsOf(node.target, this.#variables);
    const target = fields.length === 1 && fields[0] !== undefined ? fields[0] : UNKNOWN_FIELDS;
    if (node.operator.endsWith("&") && /^(?:\d+-?|-)$/.test(target.text ?? "")) return;
    const writes = node.operator.includes(">");
    if (target.text !== "/dev/null")
      this.found.redirections.add(`${arrow(node.operator)} ${target.text ?? node.target.text}`);
    if (/^\/dev\/(?:tcp|udp)\//.test(target.prefix)) this.found.mark("network");
    if (!writes) return;
    if (target.text === undefined || !HARMLESS_TARGET.test(target.text)) judgeWrittenPath(this, target);
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
    if (field.text !== undefined && /\[[^\]]*(?:\$\(|`|\$\{)/.test(field.text)) this.#hasBracketedCode = true;
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

type Visitors = {
  readonly [Type in SyntaxNode["type"]]: (node: Extract<SyntaxNode, { type: Type }>) => void;
};

type Substitution =
  | CommandExpansionPart
  | ProcessSubstitutionPart
  | Extract<SyntaxNode, { type: "ArithmeticCommandExpansion" }>;

const HARMLESS_TARGET = /^\/dev\/(?:null|stdout|stderr|tty|fd\/\d+)$/;

/** The parser goes over a line once more for each here-document that begins on it. */
const MAX_HERE_DOCUMENTS = 500;

function refuseCostly(source: string): void {
  if (source.split("<<").length > MAX_HERE_DOCUMENTS)
    throw new UnreadableLine("it has too many here-documents");
}

function printsNothing(name: string, words: readonly (string | undefined)[]): boolean {
  if (name === ":" || name === "true" || name === "false") return true;
  if (name === "cat") return words.length > 0 && words.every((word) => word === "/dev/null");
  if (name !== "echo" && name !== "printf") return false;
  const printed = words.filter((word) => word !== "-n" && word !== "");
  return printed.length === 0 && words.length > 0;
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
