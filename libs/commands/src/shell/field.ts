/** One word as a program would get it, after the shell's expansions, as far as that is certain. */
export interface Field {
  /** All of it, when all of it is certain. */
  readonly text: string | undefined;
  /** What it certainly begins with; all of it when `text` is known. */
  readonly prefix: string;
  /** What it certainly ends with. */
  readonly suffix: string;
  /** It may become no word at all, or several. */
  readonly splits: boolean;
  /** It is certainly no option. */
  readonly operand: boolean;
}

export function literalField(text: string): Field {
  return { text, prefix: text, suffix: text, splits: false, operand: !text.startsWith("-") };
}

/** Something of which nothing is known but that it is one word. */
export const UNKNOWN_FIELD: Field = {
  text: undefined,
  prefix: "",
  suffix: "",
  splits: false,
  operand: false,
};

/** Any number of words of which nothing is known. */
export const UNKNOWN_FIELDS: Field = { ...UNKNOWN_FIELD, splits: true };

/** The name of a file that exists. A glob that matches a name with a leading dash is not thought of. */
export const FILE_NAME: Field = { ...UNKNOWN_FIELD, operand: true };

/** Whether a program could take it for an option. */
export function couldBeOption(field: Field): boolean {
  if (field.text !== undefined) return field.text.startsWith("-") && field.text !== "-";
  if (field.prefix.startsWith("-")) return true;
  if (field.operand) return false;
  return field.prefix === "" || field.splits;
}

/** It is an option, and it is not certain which. */
export function isUncertainOption(field: Field): boolean {
  if (field.text !== undefined) return false;
  // "--since=$x" names its option, whatever the value is.
  if (/^--[\w-]+=/.test(field.prefix) && !field.splits) return false;
  return couldBeOption(field);
}

/** What is certain of a word that is one of these. */
export function eitherOf(fields: readonly Field[]): Field {
  const [first, ...others] = fields;
  if (first === undefined) return UNKNOWN_FIELDS;
  return others.reduce(common, first);
}

function common(a: Field, b: Field): Field {
  if (a.text !== undefined && a.text === b.text) return a;
  return {
    text: undefined,
    prefix: commonStart(a.prefix, b.prefix),
    suffix: "",
    splits: a.splits || b.splits,
    operand: a.operand && b.operand,
  };
}

function commonStart(a: string, b: string): string {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return a.slice(0, length);
}

/** The rest of a word, without its first characters. */
export function behind(field: Field, length: number): Field {
  return { ...field, text: field.text?.slice(length), prefix: field.prefix.slice(length) };
}
