import type { ParameterExpansionPart, ParsedScript, Word, WordPart } from "unbash";

import { expandBraces } from "./braces.js";
import { type Field, FILE_NAME, literalField, UNKNOWN_FIELD, UNKNOWN_FIELDS } from "./field.js";
import { UnreadableLine } from "./unreadable-line.js";
import { FROM_ENVIRONMENT, type Variables } from "./variables.js";

/** A stretch of a word: certain text, or a field's worth of uncertainty. */
interface Piece {
  readonly field: Field;
  /** It stays as it is; the value of a variable without quotes is split, and may vanish. */
  readonly kept: boolean;
}

/** Texts whose braces can be expanded without thinking of quotes. */
const PLAIN = /^[\w.,/{}=:+@%^~-]+$/;

/** What the shell makes of a word: often one field, sometimes none or several. */
export function fieldsOf(word: Word, variables: Variables): readonly Field[] {
  const parts = word.parts;
  if (hasBraces(word)) return braceFields(word, variables);
  if (parts === undefined) return [literalField(word.value)];
  return joined(parts.flatMap((part) => piecesOf(part, variables)));
}

/** The same where the shell neither splits nor globs: assignments, here-strings, targets of redirections. */
export function singleField(word: Word, variables: Variables): Field {
  const parts = word.parts;
  if (parts === undefined) return literalField(word.value);
  const pieces = parts.flatMap((part) => piecesOf(part, variables));
  return joinedToOne(pieces.map(({ field }) => ({ field: { ...field, splits: false }, kept: true })));
}

function hasBraces(word: Word): boolean {
  if (!word.text.includes("{") || !/,|\.\./.test(word.text)) return false;
  if (word.parts === undefined) return PLAIN.test(word.text);
  return word.parts.some((part) => part.type === "BraceExpansion" || hasLooseBrace(part));
}

function hasLooseBrace(part: WordPart): boolean {
  return part.type === "Literal" && part.text.replaceAll(/\\./gs, "").includes("{");
}

function braceFields(word: Word, variables: Variables): readonly Field[] {
  const texts = PLAIN.test(word.text) ? expandBraces(word.text) : undefined;
  if (texts !== undefined) return texts.filter((text) => text !== "").map(literalField);
  const parts = word.parts ?? [];
  const start = parts.slice(
    0,
    parts.findIndex((part) => part.type === "BraceExpansion" || hasLooseBrace(part)),
  );
  const pieces = start.flatMap((part) => piecesOf(part, variables));
  return [{ ...joinedToOne([...pieces, { field: UNKNOWN_FIELD, kept: true }]), splits: true }];
}

function piecesOf(part: WordPart, variables: Variables): readonly Piece[] {
  if (isExpansion(part)) return [{ field: expansionField(part, variables), kept: false }];
  switch (part.type) {
    case "Literal":
      return [{ field: literalField(part.value), kept: true }];
    case "SingleQuoted":
    case "AnsiCQuoted":
      return [{ field: literalField(part.value), kept: true }];
    case "DoubleQuoted":
    case "LocaleString":
      return [QUOTES, ...part.parts.flatMap((child) => piecesOf(child, variables).map(quoted))];
    case "Glob":
    case "ExtendedGlob":
      return [{ field: FILE_NAME, kept: true }];
    default:
      throw new UnreadableLine("it has syntax that is not known here");
  }
}

const QUOTES: Piece = { field: literalField(""), kept: true };

function quoted(piece: Piece): Piece {
  // "$@" becomes several words between quotes too.
  if (piece.field === ALL_PARAMETERS) return { field: ALL_PARAMETERS, kept: true };
  const operand = piece.field.operand || piece.field === FROM_ENVIRONMENT;
  return { field: { ...piece.field, operand, splits: false }, kept: true };
}

const ALL_PARAMETERS: Field = { ...UNKNOWN_FIELDS };
const NUMBER: Field = { ...UNKNOWN_FIELD, prefix: "0", operand: true };
const PIPE_PATH: Field = { ...UNKNOWN_FIELD, prefix: "/dev/fd/", operand: true };

const EXPANSIONS = [
  "SimpleExpansion",
  "ParameterExpansion",
  "CommandExpansion",
  "ArithmeticExpansion",
  "ProcessSubstitution",
  "BraceExpansion",
] as const;
type Expansion = Extract<WordPart, { type: (typeof EXPANSIONS)[number] }>;

function isExpansion(part: WordPart): part is Expansion {
  return EXPANSIONS.some((type) => type === part.type);
}

function expansionField(part: Expansion, variables: Variables): Field {
  switch (part.type) {
    case "SimpleExpansion":
      return variableField(part.text.replaceAll("\\\n", "").slice(1), variables);
    case "ParameterExpansion":
      return parameterField(part, variables);
    case "CommandExpansion":
      return variables.definesNoProgram && printsOneWord(part.script) ? ONE_WORD : UNKNOWN_FIELDS;
    case "ArithmeticExpansion":
      return NUMBER;
    case "ProcessSubstitution":
      return PIPE_PATH;
    case "BraceExpansion":
      return UNKNOWN_FIELDS;
    default:
      throw new UnreadableLine("it has syntax that is not known here");
  }
}

const ONE_WORD: Field = { ...UNKNOWN_FIELD, operand: true };

/** `$(date +%F)` and its like print one word, which is no option. */
function printsOneWord(script: ParsedScript | undefined): boolean {
  const command = script?.commands[0]?.command;
  if (script?.commands.length !== 1 || command?.type !== "Command") return false;
  const words = [command.name, ...command.prefix, ...command.suffix];
  const texts = words.map((word) => (word?.type === "Word" && word.parts === undefined ? word.value : "?"));
  return /^(?:date(?: -u)?(?: \+%[\w%:.-]*)?|hostname|whoami|pwd|nproc|arch)$/.test(texts.join(" "));
}

function variableField(name: string, variables: Variables): Field {
  if (name === "@" || name === "*") return ALL_PARAMETERS;
  return variables.valueOf(name) ?? UNKNOWN_FIELDS;
}

function parameterField(part: ParameterExpansionPart, variables: Variables): Field {
  if (part.prefix === "#") return NUMBER;
  if (part.prefix === "!") return ALL_PARAMETERS;
  if (part.index !== undefined) return ALL_PARAMETERS;
  const value = variableField(part.parameter, variables);
  if (part.operation === undefined) return value;
  return operatedField(part.operation.type, value);
}

/** ${file%.txt} of a file's name is still no option, as long as nothing is taken from its start. */
function operatedField(operation: string, value: Field): Field {
  if (operation !== "Remove" && operation !== "Replace") return { ...UNKNOWN_FIELDS };
  return {
    ...UNKNOWN_FIELD,
    splits: value.text === undefined ? value.splits : true,
    operand: value.text === undefined && value.operand,
  };
}

/** Splits unquoted values at blanks, as the shell does when nobody changed IFS (which makes the line dynamic). */
function joined(pieces: readonly Piece[]): readonly Field[] {
  const words: Piece[][] = [[]];
  for (const piece of pieces) {
    const text = piece.field.text;
    if (piece.kept || text === undefined) words.at(-1)?.push(piece);
    else splitInto(words, text);
  }
  return words.filter((word) => word.length > 0).map(joinedToOne);
}

function splitInto(words: Piece[][], text: string): void {
  const chunks = text.split(/[ \t\n]+/);
  chunks.forEach((chunk, index) => {
    if (index > 0) words.push([]);
    if (chunk !== "") words.at(-1)?.push({ field: globbed(chunk), kept: true });
  });
}

function globbed(text: string): Field {
  if (!/[*?[]/.test(text)) return literalField(text);
  return { ...FILE_NAME, prefix: text.split(/[*?[]/)[0] ?? "", operand: !text.startsWith("-") };
}

function joinedToOne(pieces: readonly Piece[]): Field {
  const fields = pieces.map(({ field }) => field);
  const certain = fields.every((field) => field.text !== undefined);
  if (certain) return literalField(fields.map((field) => field.text).join(""));
  const prefix = certainPrefix(fields);
  const first = fields.find((field) => field.text !== "");
  return {
    text: undefined,
    prefix,
    suffix: fields.at(-1)?.suffix ?? "",
    splits: fields.some((field) => field.splits),
    operand: first?.operand === true && !fields.some((field) => field.splits && !field.operand),
  };
}

function certainPrefix(fields: readonly Field[]): string {
  let prefix = "";
  for (const field of fields) {
    prefix += field.prefix;
    if (field.text === undefined) break;
  }
  return prefix;
}
