import { Environment, ParseError, type ASTNode } from "@marcbachmann/cel-js";
import { BOUNDS } from "./bounds.js";
import { adviceForSyntax, adviceForTypes } from "./mistakes.js";
import { type FieldDescription, type VariableDescription, VARIABLES } from "./variables.js";

export type Node = ASTNode;

const TYPE_NAMES: Readonly<Record<string, string>> = { timestamp: "google.protobuf.Timestamp" };

/** CEL's own grammar and types, over our variables. Only parsing and checking is done by it; see compile-condition. */
const ENVIRONMENT = environment();

function environment(): Environment {
  const limits = {
    maxAstNodes: BOUNDS.nodes,
    maxDepth: BOUNDS.depth,
    maxListElements: BOUNDS.listElements,
    maxMapEntries: BOUNDS.listElements,
    maxCallArguments: 4,
  };
  const language = new Environment({ limits, homogeneousAggregateLiterals: false });
  for (const [name, { type, fields }] of Object.entries<VariableDescription>(VARIABLES)) {
    if (fields) language.registerType(groupName(name), { fields: fieldTypes(fields), ctor: class {} });
    language.registerVariable(name, type ? celType(type) : groupName(name));
  }
  language.registerFunction({
    name: "callsOf",
    receiverType: groupName("session"),
    returnType: "int",
    params: [{ name: "tool", type: "string" }],
    handler: () => 0n,
  });
  return language;
}

function fieldTypes(fields: Readonly<Record<string, FieldDescription>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, { type }]) => [name, celType(type)]));
}

function celType(type: string): string {
  return TYPE_NAMES[type] ?? type;
}

function groupName(variable: string): string {
  return `fields.${variable}`;
}

export type ParsedCondition =
  | { readonly ok: true; readonly root: Node; readonly check: () => CheckedType }
  | { readonly ok: false; readonly problem: string };

type CheckedType =
  | { readonly ok: true; readonly type: string }
  | { readonly ok: false; readonly problem: string };

/** Parses the text; `check` finds the type of what it comes to. */
export function parseCondition(text: string): ParsedCondition {
  try {
    const parsed = ENVIRONMENT.parse(text);
    return { ok: true, root: parsed.ast, check: () => checkTypes(parsed) };
  } catch (error) {
    return { ok: false, problem: parseProblem(error, text) };
  }
}

function parseProblem(error: unknown, text: string): string {
  if (!(error instanceof ParseError)) return "simplify the condition: it cannot be parsed";
  if (error.code === "limit_exceeded")
    return `simplify the condition, or make several rules: ${bound(error.summary)}`;
  const summary = lowerFirst(error.summary);
  const advice = error.range && adviceForSyntax(text, error.range.start, summary);
  const where = at(error.range?.start);
  return advice === undefined
    ? `correct the condition${where}: ${summary}`
    : `${advice}${where} (${summary})`;
}

function bound(summary: string): string {
  if (summary.includes("maxDepth")) return `it is nested more than ${BOUNDS.depth} deep`;
  if (summary.includes("maxAstNodes")) return `it has more than ${BOUNDS.nodes} parts`;
  if (summary.includes("maxCallArguments")) return "a call has more arguments than any function takes";
  return `a list has more than ${BOUNDS.listElements} elements`;
}

function checkTypes(parsed: ReturnType<Environment["parse"]>): CheckedType {
  const checked = parsed.check();
  if (checked.valid) return { ok: true, type: checked.type ?? "dyn" };
  const { error } = checked;
  const [summary, start] =
    error && "summary" in error ? [error.summary, error.range?.start] : ["it cannot be checked", undefined];
  const problem = `make the types fit${at(start)}: ${lowerFirst(summary)}; ${adviceForTypes(summary)}`;
  return { ok: false, problem };
}

/** Where in the condition, for people; positions count from 0. */
export function at(position: number | undefined): string {
  return position === undefined ? "" : ` at character ${position + 1}`;
}

function lowerFirst(text: string): string {
  const line = text.replaceAll("google.protobuf.", "").replace(/[\s\p{Cc}\p{Cf}]+/gu, " ");
  return line.charAt(0).toLowerCase() + line.slice(1, 300);
}

/** `a && b && c` as its three operands: chains can be long, what is nested cannot. */
export function operandsOf(node: Node): readonly Node[] {
  const { op } = node;
  const operands: Node[] = [];
  let current = node;
  while (current.op === op && (current.op === "&&" || current.op === "||")) {
    operands.push(current.args[1]);
    current = current.args[0];
  }
  operands.push(current);
  return operands.reverse();
}

type Of<Op extends Node["op"]> = Extract<Node, { op: Op }>;

/** What a node is made of, a macro's variable not among it. */
export function partsOf(node: Node): readonly Node[] {
  return (PARTS[node.op] ?? operands)(node);
}

const none = (): readonly Node[] => [];
const operands = (node: Node): readonly Node[] => node.args as readonly Node[];
const operand = (node: Node): readonly Node[] => [node.args as Node];
const left = (node: Node): readonly Node[] => [(node as Of<".">).args[0]];

/** Of all but those that have a list of operands and nothing else. */
const PARTS: Readonly<Record<string, (node: Node) => readonly Node[]>> = {
  value: none,
  id: none,
  "&&": operandsOf,
  "||": operandsOf,
  ".": left,
  ".?": left,
  call: (node) => (node as Of<"call">).args[1],
  rcall: (node) => [(node as Of<"rcall">).args[1], ...(node as Of<"rcall">).args[2]],
  map: (node) => (node as Of<"map">).args.flat(),
  "!_": operand,
  "-_": operand,
};
