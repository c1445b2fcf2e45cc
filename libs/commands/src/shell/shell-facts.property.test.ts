import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";

import type { ShellFacts } from "../facts.js";
import { loadParsers } from "../parsers.js";
import { BENIGN } from "./fixtures/benign.js";
import { DESTRUCTIVE } from "./fixtures/destructive.js";
import { shellFacts } from "./shell-facts.js";

beforeAll(loadParsers);

const HARMFUL = [
  "writes",
  "destructive",
  "privileges",
  "runsCode",
  "pipesIntoInterpreter",
  "sendsData",
  "network",
  "dynamic",
] as const;

const destructive = Object.values(DESTRUCTIVE).flat();
const benign = Object.values(BENIGN).flat();

/** A word that needs no quotes, and is neither reserved nor an assignment. */
const word = fc.stringMatching(/^[a-z][a-z0-9._/-]{0,8}$/).filter((text) => !RESERVED.has(text));
const RESERVED = new Set(
  "if then elif else fi do done case esac while until for in select function time coproc".split(" "),
);
const program = fc.constantFrom(
  "ls",
  "rm",
  "cp",
  "cat",
  "git",
  "find",
  "sudo",
  "sort",
  "tar",
  "env",
  "unheard-of",
);
const option = fc.constantFrom("-delete", "-rf", "-o", "--output", "-x", "log", "clean", "-exec");

/** Each in another way that means the same to the shell. */
const QUOTINGS: readonly ((text: string) => string)[] = [
  (text) => `'${text}'`,
  (text) => `"${text}"`,
  (text) =>
    text
      .split("")
      .map((character) => `\\${character}`)
      .join(""),
  (text) => `${text.slice(0, 1)}""${text.slice(1)}`,
  (text) => `${text.slice(0, 1)}''${text.slice(1)}`,
  (text) => `${text.slice(0, 1)}\\\n${text.slice(1)}`,
  (text) =>
    `$'${text
      .split("")
      .map((character) => `\\x${character.charCodeAt(0).toString(16)}`)
      .join("")}'`,
];

/** None of these takes anything away from what the line does. */
const WRAPPINGS: readonly ((line: string) => string)[] = [
  (line) => `${line}\ntrue`,
  (line) => `true; ${line}`,
  (line) => `true && { ${line}\n}`,
  (line) => `${line}\nls`,
  (line) => `(${line}\n)`,
  (line) => `{ ${line}\n}`,
  (line) => `! { ${line}\n}`,
  (line) => `if true; then ${line}\nfi`,
  (line) => `while ls; do ${line}\ndone`,
  (line) => `for x1 in a; do ${line}\ndone`,
  (line) => `case a in a) ${line}\n;; esac`,
  (line) => `echo "$(${line}\n)"`,
  (line) => `cat <(${line}\n)`,
  (line) => `f1() { ${line}\n}; f1`,
  (line) => `sh -c '${line.replaceAll("'", "'\\''")}'`,
];

function harm(facts: ShellFacts): readonly string[] {
  return facts.parsed ? HARMFUL.filter((fact) => facts[fact]) : ["not parsed"];
}

describe("facts of shell lines", () => {
  it("are the same however the words are quoted", () => {
    fc.assert(
      fc.property(
        program,
        fc.array(fc.oneof(word, option), { maxLength: 4 }),
        fc.array(fc.nat(QUOTINGS.length - 1), { minLength: 5, maxLength: 5 }),
        (name, words, quotings) => {
          const plain = [name, ...words];
          const quoted = plain.map((text, index) => QUOTINGS[quotings[index] ?? 0]?.(text) ?? text);
          expect(shellFacts([quoted.join(" ")])).toEqual(shellFacts([plain.join(" ")]));
        },
      ),
    );
  });

  it("never loosen when the line is put into something else", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom(...destructive), fc.constantFrom(...benign)),
        fc.constantFrom(...WRAPPINGS),
        (line, wrap) => {
          const before = shellFacts([line]);
          const after = shellFacts([wrap(line)]);
          if (!after.parsed) return;
          expect(before.parsed).toBe(true);
          expect(harm(after)).toEqual(expect.arrayContaining([...harm(before)]));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("are there for every string, and never an exception", () => {
    const fragment = fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.constantFrom(
        "$(",
        ")",
        "`",
        "'",
        '"',
        "\\",
        "${",
        "}",
        "<<EOF\n",
        "EOF\n",
        ";",
        "|",
        "&",
        "\n",
        " rm ",
        "[[ ",
        " ]]",
      ),
      fc.constantFrom(
        "$((",
        "))",
        "if ",
        " then ",
        " fi",
        "case x in ",
        ";;",
        "f() {",
        "<(",
        ">",
        "*",
        "{a,b}",
        "$'\\",
        "# ",
        "=",
      ),
    );
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 24 }), (fragments) => {
        const facts = shellFacts([fragments.join("")]);
        // A line that is not understood does not read only, and says why.
        expect(facts.reason !== "").toBe(!facts.parsed);
        expect(facts.parsed || !facts.readOnly).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it("are the same the second time", () => {
    for (const line of [...destructive, ...benign]) expect(shellFacts([line])).toEqual(shellFacts([line]));
  });
});

describe("hostile texts of 64 KiB", () => {
  const repeated = (text: string): string => text.repeat(Math.floor(65_000 / text.length));
  const HOSTILE = [
    "echo $(",
    "echo $( x ) ",
    "(",
    "( ",
    "{a,b}",
    "{a,",
    "{a,b} ",
    "cat <<A\n",
    "<<A ",
    "cat <<A\nx\nA\n",
    "`",
    "${a:-",
    "$((",
    "a;",
    "a|",
    "> $x ",
    "env ",
    "x=1;$x;",
    "sh -c ls;",
    "$'",
    "[",
  ];

  it.each(HOSTILE)("do not keep anybody waiting: %j", (text) => {
    shellFacts([repeated(text).slice(0, 4000)]);
    const runs = [1, 2, 3].map(() => cpuMilliseconds(() => shellFacts([repeated(text)])));
    // 50 ms on a quiet machine; other work on it slows this down, a quadratic text takes seconds.
    expect(Math.min(...runs)).toBeLessThan(150);
  });

  it("do not grow by using a long constant often", () => {
    const line = `x='${"a ".repeat(8000)}'; ${"ls $x; ".repeat(6000)}`;
    expect(cpuMilliseconds(() => shellFacts([line]))).toBeLessThan(300);
  });
});

function cpuMilliseconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const used = process.cpuUsage(before);
  return (used.user + used.system) / 1000;
}
