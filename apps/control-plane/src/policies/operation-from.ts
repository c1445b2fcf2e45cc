import {
  commandTexts,
  type ShellFacts,
  shellFacts,
  type SqlDialect,
  type SqlFacts,
  sqlFacts,
  unreadable,
} from "@drawbridge/commands";
import type { Operation, ToolDefinition } from "@drawbridge/policy";
import type { Target } from "../targets/index.js";

export interface OperationParts {
  readonly target: Pick<Target, "name" | "labels" | "document">;
  readonly method: string;
  readonly name?: string | undefined;
  /** As JSON; asked for only when a condition or a command needs them. May throw: then they cannot be read. */
  readonly arguments?: (() => unknown) | undefined;
  readonly tool?: ToolDefinition | undefined;
}

type CommandMapping = Target["document"]["spec"]["commands"][number];

/** An operation as policies see it. Its commands are parsed when the first condition asks for their facts, and once. */
export function operationFrom(parts: OperationParts): Operation {
  const { target, method, name, tool } = parts;
  const commands = method === "tools/call" ? (target.document.spec.commands ?? []) : [];
  const mapped = commands.filter((command) => command.tool === name);
  const sql = mapped.filter(({ dialect }) => dialect !== "sh");
  const shell = mapped.filter(({ dialect }) => dialect === "sh");
  return {
    target,
    method,
    ...(name === undefined ? {} : { name }),
    ...(parts.arguments && { arguments: parts.arguments }),
    ...(tool && { tool }),
    ...(sql.length > 0 && { sql: once(() => factsOfSql(sql, parts)) }),
    ...(shell.length > 0 && { shell: once(() => factsOfShell(shell, parts)) }),
  };
}

function factsOfSql(mapped: readonly CommandMapping[], parts: OperationParts): SqlFacts {
  const [dialect, another] = [...new Set(mapped.map((command) => command.dialect as SqlDialect))];
  if (!dialect) throw new Error("no argument is SQL");
  // One statement of facts cannot say which of two dialects it speaks of.
  const texts = another ? undefined : textsOf(mapped, parts);
  return texts ? sqlFacts(dialect, texts) : unreadable(dialect);
}

function factsOfShell(mapped: readonly CommandMapping[], parts: OperationParts): ShellFacts {
  const texts = textsOf(mapped, parts);
  return texts ? shellFacts(texts) : unreadable("sh");
}

/** Undefined unless every argument that is a command is there, and can be read in one way only. */
function textsOf(mapped: readonly CommandMapping[], parts: OperationParts): readonly string[] | undefined {
  const given = argumentsOf(parts);
  if (!given) return undefined;
  const texts: string[] = [];
  for (const { argument } of mapped) {
    const read = Object.hasOwn(given, argument) ? commandTexts(given[argument]) : undefined;
    if (!read || isAmbiguous(given, argument)) return undefined;
    texts.push(...read);
  }
  return texts;
}

function argumentsOf(parts: OperationParts): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = parts.arguments?.();
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** A target that does not mind the case of names would take `SQL` for `sql`, and run what was not judged. */
function isAmbiguous(given: Readonly<Record<string, unknown>>, argument: string): boolean {
  const folded = foldCase(argument);
  return Object.keys(given).some((name) => name !== argument && foldCase(name) === folded);
}

/** Both ways: the long s has only an upper case, the Kelvin sign only a lower one. */
function foldCase(text: string): string {
  return text.toUpperCase().toLowerCase();
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}
