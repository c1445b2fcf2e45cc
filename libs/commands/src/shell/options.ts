import { behind, type Field, isUncertainOption } from "./field.js";

/** Options as they are written in a table: "o output" is -o and --output; names of several letters also take one dash. */
export function optionNames(names: string): readonly string[] {
  return names.split(" ").filter((name) => name !== "");
}

/** What one word says of options. */
interface OptionWord {
  readonly letters: string;
  /** The name behind two dashes, which may be abbreviated. */
  readonly long: string | undefined;
  /** The same behind one dash, as find and terraform have it, never abbreviated. */
  readonly single: string | undefined;
  /** The word as it was written, as far as that is certain. */
  readonly written: string;
}

/**
 * Whether one of these options could be among the words. GNU's getopt takes any beginning of a long option, so does
 * this; a word that could be the value of another option counts as an option itself.
 */
export function hasOption(words: readonly Field[], names: string, valued = ""): boolean {
  const wanted = optionNames(names);
  return optionWords(words, valued).some((word) => wanted.some((name) => isNamed(word, name)));
}

function isNamed(word: OptionWord, name: string): boolean {
  if (name.length === 1) return word.letters.includes(name);
  if (name.includes("=")) return word.written === `--${name}`;
  if (word.single === name) return true;
  return word.long !== undefined && word.long !== "" && name.startsWith(word.long);
}

/** Whether one of these options is there for certain, spelled out: for options that make a program harmless. */
export function certainlyHasOption(words: readonly Field[], names: string, valued = ""): boolean {
  const wanted = optionNames(names);
  const takers = optionNames(valued);
  const certain = words.filter((_, index) => !takesNextWord(words[index - 1]?.text ?? "", takers));
  return optionWords(certain, valued).some((word) =>
    wanted.some((name) =>
      name.length === 1 ? word.letters.includes(name) : word.long === name || word.single === name,
    ),
  );
}

/** Whether it is unknown which options there are. */
export function hasUncertainOption(words: readonly Field[], valued = ""): boolean {
  const names = optionNames(valued);
  const end = words.findIndex((word, index) => word.text === "--" && !isValue(words, index, names));
  const before = end === -1 ? words : words.slice(0, end);
  return before.some((word, index) => isUncertainOption(word) && !isValue(words, index, names));
}

/** It follows an option that takes the next word, whatever that is. */
function isValue(words: readonly Field[], index: number, valued: readonly string[]): boolean {
  const word = words[index];
  const before = words[index - 1]?.text;
  if (word === undefined || word.splits || before === undefined) return false;
  return takesNextWord(before, valued);
}

/** Whether an option's value is the next word: -n 3, --max-count 3, -in 3. */
export function takesNextWord(option: string, valued: readonly string[]): boolean {
  if (!option.startsWith("-") || option.includes("=") || option === "--") return false;
  if (option.startsWith("--")) return valued.includes(option.slice(2));
  const letters = option.slice(1);
  if (letters.length > 1 && valued.includes(letters)) return true;
  for (let index = 0; index < letters.length; index += 1) {
    if (valued.includes(letters[index] ?? "")) return index === letters.length - 1;
  }
  return false;
}

function optionWords(words: readonly Field[], valued: string): readonly OptionWord[] {
  const names = optionNames(valued);
  const found: OptionWord[] = [];
  for (const [index, field] of words.entries()) {
    if (field.text === "--" && !takesNextWord(words[index - 1]?.text ?? "", names)) break;
    const word = optionWord(field, names);
    if (word !== undefined) found.push(word);
  }
  return found;
}

function optionWord(field: Field, valued: readonly string[]): OptionWord | undefined {
  const text = field.text ?? field.prefix;
  if (text.startsWith("--"))
    return { letters: "", long: /^--([^=]*)/.exec(text)?.[1], single: undefined, written: text };
  if (!text.startsWith("-") || text === "-") return undefined;
  const letters = text.slice(1).split("");
  const valueAt = letters.findIndex((letter) => valued.includes(letter));
  const bundle = valueAt === -1 ? letters : letters.slice(0, valueAt + 1);
  // -delete and -exec: a whole name behind one dash, but no abbreviation of one.
  return { letters: bundle.join(""), long: undefined, single: /^-([^=]*)/.exec(text)?.[1], written: text };
}

/** The words that are no options and no values of options. */
export function operandsOf(words: readonly Field[], valued = ""): readonly Field[] {
  const names = optionNames(valued);
  const isTaken = (index: number): boolean => takesNextWord(words[index - 1]?.text ?? "", names);
  const end = words.findIndex((word, index) => word.text === "--" && !isTaken(index));
  const before = end === -1 ? words : words.slice(0, end);
  const operands = before.filter((word, index) => !isOption(word) && !isTaken(index));
  return end === -1 ? operands : [...operands, ...words.slice(end + 1)];
}

function isOption(word: Field): boolean {
  return word.prefix.startsWith("-") && word.text !== "-";
}

/** The values of an option, as the next word, behind a letter or behind "=". */
export function valuesOf(words: readonly Field[], names: string): readonly Field[] {
  const wanted = optionNames(names);
  const letters = wanted.filter((name) => name.length === 1).join("");
  const attached = letters === "" ? /^(?!)/ : new RegExp(`^-[A-Za-z#0-9]*?[${letters}](?=.)`, "s");
  return words.flatMap((word, index) => {
    if (takesNextWord(words[index - 1]?.text ?? "", wanted)) return [word];
    const start = word.prefix.startsWith("--") ? longStart(word, wanted) : attached.exec(word.prefix)?.[0];
    return start === undefined ? [] : [behind(word, start.length)];
  });
}

function longStart(word: Field, wanted: readonly string[]): string | undefined {
  const [start, name] = /^--([\w-]+)=/.exec(word.prefix) ?? [];
  return name !== undefined && wanted.some((each) => each.length > 1 && each.startsWith(name))
    ? start
    : undefined;
}
