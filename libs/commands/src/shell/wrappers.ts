import type { Analysis, Call } from "./analysis.js";
import { couldBeOption, type Field, literalField, UNKNOWN_FIELDS } from "./field.js";
import { judgeVariable } from "./environment.js";
import { optionNames, takesNextWord } from "./options.js";
import { type Effects } from "./program.js";
import { markAll } from "./program-table.js";

/** A program that runs the program its operands name. */
interface Wrapper {
  readonly does?: Effects;
  /** Options without a value. Any option that is neither here nor below makes the wrapped program uncertain. */
  readonly flags?: string;
  readonly valued?: string;
  /** Operands before the wrapped program. */
  readonly operands?: number;
  /** NAME=value words may stand before the wrapped program. */
  readonly assignments?: boolean;
  /** The words are joined and given to a shell. */
  readonly shell?: boolean;
  /** It adds words that it reads. */
  readonly adds?: boolean;
  /** What it does without a program to run. */
  readonly alone?: Effects;
}

const WRAPPERS: Readonly<Record<string, Wrapper>> = {
  env: { flags: "i ignore-environment 0 null v debug -", valued: "u unset C chdir", assignments: true },
  nice: { valued: "n adjustment", flags: "1 2 3 4 5 6 7 8 9 0" },
  nohup: { does: "background" },
  setsid: { flags: "f fork w wait c ctty", does: "background" },
  timeout: {
    valued: "s k signal kill-after",
    flags: "foreground preserve-status v verbose f p",
    operands: 1,
  },
  gtimeout: { valued: "s k signal kill-after", flags: "foreground preserve-status v verbose", operands: 1 },
  time: { flags: "p v portability verbose a append q quiet", valued: "f format" },
  stdbuf: { valued: "i o e input output error" },
  unbuffer: { flags: "p" },
  ionice: { valued: "c n class classdata", flags: "t ignore" },
  taskset: { flags: "c cpu-list a", operands: 1 },
  chrt: { flags: "f r o b i", operands: 1 },
  caffeinate: { flags: "d i m s u", valued: "t w" },
  command: { flags: "p" },
  builtin: {},
  exec: { flags: "c l cl lc", valued: "a" },
  flock: {
    flags: "s x e n u o F shared exclusive nonblock unlock close no-fork verbose",
    valued: "w E timeout conflict-exit-code",
    operands: 1,
  },
  xargs: {
    flags: "0 null r no-run-if-empty t verbose x exit p interactive o open-tty",
    valued: "n P L s d E a max-args max-procs max-lines max-chars delimiter arg-file",
    adds: true,
  },
  watch: {
    flags: "b d g c e t p x beep differences chgexit color errexit no-title precise exec 1 2 3 4 5 6 7 8 9 0",
    valued: "n interval",
    shell: true,
  },
  sudo: {
    does: "privileges",
    flags: "A b E H i K k n P S s V v l",
    valued: "C D g h p R r T t U u",
    assignments: true,
  },
  doas: { does: "privileges", flags: "L n s", valued: "a C u" },
  runuser: { does: "privileges", valued: "u g G", flags: "l m" },
  setpriv: { does: "privileges", flags: "reset-env" },
  chroot: { does: "privileges", operands: 1 },
  unshare: { does: "privileges", flags: "m u i n p U f r mount uts ipc net pid user fork map-root-user" },
  nsenter: { does: "privileges", flags: "m u i n p U a all mount uts ipc net pid user", valued: "t target" },
  pkexec: { does: "privileges" },
  gosu: { does: "privileges", operands: 1 },
  busybox: {},
  toybox: {},
  ssh: {
    does: "network",
    flags: "4 6 A a C f G g K k M N n q s T t tt V v vv vvv X x Y y",
    valued: "B b c D e I i J L l m O o p Q R S W w",
    operands: 1,
    shell: true,
    alone: "runsCode",
  },
};

/** Judges what a wrapper runs; false when the program is none. */
export function judgeWrapper(analysis: Analysis, call: Call): boolean {
  const wrapper = Object.hasOwn(WRAPPERS, call.name) ? WRAPPERS[call.name] : undefined;
  if (wrapper === undefined) return false;
  markAll(analysis, wrapper.does);
  const start = innerStart(wrapper, call.words);
  if (start === undefined) analysis.found.mark("runsCode");
  else
    judgeInner(analysis, wrapper, {
      ...call,
      words: setVariables(analysis, wrapper, call.words.slice(start)),
    });
  return true;
}

function setVariables(analysis: Analysis, wrapper: Wrapper, words: readonly Field[]): readonly Field[] {
  if (wrapper.assignments !== true) return words;
  let index = 0;
  for (const word of words) {
    const name = /^([^=]*)=/.exec(word.prefix)?.[1];
    if (name === undefined || couldBeOption(word)) break;
    judgeVariable(analysis, name);
    index += 1;
  }
  return words.slice(index);
}

function judgeInner(analysis: Analysis, wrapper: Wrapper, call: Call): void {
  const inner = wrapper.adds === true ? [...call.words, UNKNOWN_FIELDS] : call.words;
  if (call.words.length === 0) {
    markAll(analysis, wrapper.alone);
    if (wrapper.alone === "runsCode" && call.feed.fed) analysis.found.mark("pipesIntoInterpreter");
  } else if (wrapper.shell === true) {
    judgeJoined(analysis, call);
  } else {
    analysis.program(inner, call.feed);
  }
}

/** ssh and watch give their words, joined, to a shell. */
export function judgeJoined(analysis: Analysis, call: Call): void {
  const texts = call.words.map((word) => word.text);
  if (texts.includes(undefined)) {
    analysis.found.mark("dynamic");
    // Not the line that will run, but what is certain of it still tells what programs there are.
    analysis.program(call.words, call.feed);
  } else {
    analysis.script(texts.join(" "), call.feed);
  }
}

/** Where the wrapped program is named; undefined when that is uncertain. */
function innerStart(wrapper: Wrapper, words: readonly Field[]): number | undefined {
  const end = optionsEnd(wrapper, words);
  if (end === undefined) return undefined;
  const start = end + (wrapper.operands ?? 0);
  return words.slice(end, start).some((word) => word.splits) ? undefined : start;
}

function optionsEnd(wrapper: Wrapper, words: readonly Field[]): number | undefined {
  const valued = optionNames(wrapper.valued ?? "");
  let index = 0;
  for (let word = words[index]; word !== undefined; word = words[index]) {
    if (word.text === "--") return index + 1;
    if (!couldBeOption(word) && word.text !== "-") return index;
    if (word.text === undefined || !isKnownOption(wrapper, word.text)) return undefined;
    index += takesNextWord(word.text, valued) ? 2 : 1;
  }
  return index;
}

function isKnownOption(wrapper: Wrapper, option: string): boolean {
  const valued = optionNames(wrapper.valued ?? "");
  const known = [...optionNames(wrapper.flags ?? ""), ...valued];
  const name = /^--?([^=]*)/.exec(option)?.[1] ?? "";
  if (option === "-") return known.includes("-");
  if (known.includes(name)) return true;
  return !option.startsWith("--") && bundleIsKnown(option.slice(1).split(""), known, valued);
}

function bundleIsKnown(
  letters: readonly string[],
  known: readonly string[],
  valued: readonly string[],
): boolean {
  const valueAt = letters.findIndex((letter) => valued.includes(letter));
  const bundle = valueAt === -1 ? letters : letters.slice(0, valueAt);
  return bundle.every((letter) => known.includes(letter));
}

/** `xargs -I{} program … {} …`: each word that has the mark in it becomes something unknown. */
export function judgeReplacingXargs(analysis: Analysis, call: Call, mark: string): void {
  const words = call.words.map((word) => replaced(word, mark));
  analysis.program(words, { fed: false });
}

function replaced(word: Field, mark: string): Field {
  if (word.text === undefined) return UNKNOWN_FIELDS;
  if (mark === "" || !word.text.includes(mark)) return word;
  const prefix = word.text.slice(0, word.text.indexOf(mark));
  return {
    ...literalField(prefix),
    text: undefined,
    suffix: "",
    operand: prefix !== "" && !prefix.startsWith("-"),
  };
}
