import { z } from "zod";

import { nearest } from "./conditions/nearest.js";

export interface PolicyProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What is wrong with a policy is told in so many places of it at most. */
export const MAX_PROBLEMS = 50;

type Issue = z.core.$ZodRawIssue;
type Advise = (issue: Issue) => string | undefined;

/** What to do about an issue of the shape. Issues for which a part of the schema has words of its own do not come here. */
export function adviceFor(issue: Issue): string | undefined {
  const advise = (ADVICE as Readonly<Record<string, Advise>>)[issue.code];
  const isMissing = issue.input === undefined && issue.code.startsWith("invalid_");
  return isMissing ? "give it: it is missing here" : advise?.(issue);
}

const ADVICE: { readonly [Code in Issue["code"]]?: Advise } = {
  invalid_type: ({ expected, input }) => {
    const isScalar = typeof input === "number" || typeof input === "boolean";
    if (expected === "string" && isScalar) return "put quotes around it: it must be a text";
    return SHAPES[String(expected)];
  },
  invalid_value: ({ values, input }) => {
    const known = (values as readonly unknown[]).map(String);
    const meant = typeof input === "string" && known.length > 1 ? nearest(input, known) : undefined;
    return `write ${inWords(known)}${meant === undefined ? "" : `: is it ${meant}?`}`;
  },
  invalid_union: ({ discriminator, inst }) => {
    const known = typeof discriminator === "string" ? valuesOf(inst, discriminator) : [];
    return known.length > 0 ? `write ${inWords(known)}` : undefined;
  },
  unrecognized_keys: ({ keys, inst }) => {
    const known = inst instanceof z.ZodObject ? Object.keys(inst.shape) : [];
    const [first = "", ...others] = keys as readonly string[];
    const meant = others.length === 0 ? nearest(first, known) : undefined;
    const suggestion = meant === undefined ? `there are ${known.join(", ")}` : `is it ${meant}?`;
    const unknown = [first, ...others].slice(0, SHOWN).map((key) => JSON.stringify(key.slice(0, 60)));
    return `correct or remove ${unknown.join(", ")}: it has no such part; ${suggestion}`;
  },
  too_small: ({ origin, minimum }) => {
    if (origin === "array") return "put something into the list, or leave it out where it is not needed";
    return origin === "string" ? "write something: it is empty" : `make it ${String(minimum)} or more`;
  },
  too_big: ({ origin, maximum }) => {
    if (origin === "array") return `make several of it: a list has at most ${String(maximum)} entries`;
    if (origin === "string") return `shorten it to ${String(maximum)} characters`;
    return `make it ${String(maximum)} or less`;
  },
};

/** Names of parts that are not there, in one message. */
const SHOWN = 5;

const SHAPES: Readonly<Record<string, string>> = {
  string: "write a text",
  array: "write a list, such as [one, two] or lines that begin with a dash",
  object: "write a map of its parts, such as { part: value }",
  record: "write a map, such as { key: value }",
  number: "write a number, without quotes",
  int: "write a whole number, without quotes",
};

function valuesOf(inst: unknown, discriminator: string): string[] {
  if (!(inst instanceof z.ZodDiscriminatedUnion)) return [];
  return inst.options.flatMap((option) => {
    const part = option instanceof z.ZodObject ? (option.shape[discriminator] as unknown) : undefined;
    return part instanceof z.ZodLiteral ? [...part.values].map(String) : [];
  });
}

function inWords(words: readonly string[]): string {
  return words.length > 1 ? `${words.slice(0, -1).join(", ")} or ${words.at(-1)}` : words.join();
}

/** Of a choice between shapes, what is wrong with the one that was meant: that which got beyond its outermost type. */
export function problemsOf(issue: z.core.$ZodIssue, within: readonly PropertyKey[] = []): PolicyProblem[] {
  const path = [...within, ...issue.path];
  const meant =
    issue.code === "invalid_union"
      ? issue.errors.find((issues) =>
          issues.every((each) => each.path.length > 0 || each.code === "unrecognized_keys"),
        )
      : undefined;
  if (meant) return meant.flatMap((each) => problemsOf(each, path));
  return [
    {
      path: path.map((part) => (typeof part === "number" ? part : String(part))),
      message: issue.message.charAt(0).toLowerCase() + issue.message.slice(1),
    },
  ];
}
