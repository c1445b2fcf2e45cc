import { areEqual, order } from "./compare-values.js";
import { calculate, negate, type Operator } from "./calculate.js";
import { call, compileMemberCall } from "./call-function.js";
import { comprehension } from "./comprehension.js";
import { groupOf } from "./check-condition.js";
import { COMPREHENSIONS } from "./functions.js";
import { type Node, operandsOf, partsOf } from "./language.js";
import { TOO_COSTLY } from "./meter.js";
import { callsOf, type Evaluate, readerOf, type Scope } from "./scope.js";
import {
  Failure,
  hasMember,
  isList,
  isMap,
  itemOf,
  kindOf,
  lengthOf,
  MadeList,
  MadeMap,
  memberOf,
  type Value,
} from "./values.js";
import { isVariable } from "./variables.js";

/** Where a node stands: the variables of the macros around it. */
export type Bound = readonly string[];

/** Of many conditions each is evaluated once, from memory that was not used for long. */
const COST_OF_BEGINNING = 100;

const NOT_BOOL = new Failure("it comes to no bool");

/**
 * What a checked condition comes to. Our own evaluation of CEL's syntax tree, because the cost of that of the parser's
 * package cannot be bounded and its errors hold values; `compile-condition.test.ts` compares both.
 */
export function compileCondition(root: Node): (scope: Scope) => boolean | Failure {
  const evaluate = compile(root, []);
  const cost = COST_OF_BEGINNING + costOf(root);
  return (scope) => {
    const { meter } = scope;
    if (!meter.begin() || !meter.spend(cost)) return TOO_COSTLY;
    const value = evaluate(scope);
    // Also when `||` or `&&` made a value of it: what was not looked at to the end is not known.
    if (!meter.end()) return TOO_COSTLY;
    if (value instanceof Failure) return value;
    return typeof value === "boolean" ? value : NOT_BOOL;
  };
}

/** What evaluating the nodes costs, each of them once. */
export function costOf(node: Node): number {
  const own = node.op === "call" || node.op === "rcall" ? 12 : 4;
  return partsOf(node).reduce((sum, part) => sum + costOf(part), own);
}

type Of<Op extends Node["op"]> = Extract<Node, { op: Op }>;

export function compile(node: Node, bound: Bound): Evaluate {
  return (COMPILE[node.op] as (node: Node, bound: Bound) => Evaluate)(node, bound);
}

const COMPILE: { readonly [Op in Node["op"]]: (node: Of<Op>, bound: Bound) => Evaluate } = {
  value: ({ args }) => compileLiteral(args as Value),
  id: ({ args }, bound) => compileName(args, bound),
  ".": compileField,
  "[]": ({ args }, bound) => compileIndex(args, bound),
  "&&": compileLogic,
  "||": compileLogic,
  "?:": ({ args }, bound) => compileChoice(args, bound),
  call: compileCall,
  rcall: compileMemberCallOrMacro,
  "!_": ({ args }, bound) => compileNot(args, bound),
  "-_": ({ args }, bound) => compileNegation(args, bound),
  list: ({ args }, bound) => compileList(args, bound),
  map: ({ args }, bound) => compileMap(args, bound),
  "==": compileEquality,
  "!=": compileEquality,
  in: ({ args }, bound) => compileMembership(args, bound),
  "<": compileOrder,
  "<=": compileOrder,
  ">": compileOrder,
  ">=": compileOrder,
  "+": compileCalculation,
  "-": compileCalculation,
  "*": compileCalculation,
  "/": compileCalculation,
  "%": compileCalculation,
  ".?": notInTheLanguage,
  "[?]": notInTheLanguage,
};

/** The parser makes it only where optional types are switched on. */
function notInTheLanguage({ op }: Node): never {
  throw new Error(`conditions have no ${op}`);
}

function compileLiteral(value: Value): Evaluate {
  return () => value;
}

function compileName(name: string, bound: Bound): Evaluate {
  const depth = bound.indexOf(name);
  if (depth !== -1) return ({ elements }) => elements[depth] ?? null;
  if (!isVariable(name)) throw new Error(`nothing reads ${name}`);
  const read = readerOf(name);
  return read;
}

/** `args.a.b` in one: conditions are many, and each of their parts is somewhere else in memory. */
function compileField(node: Of<".">, bound: Bound): Evaluate {
  const fields: string[] = [];
  let base: Node = node;
  while (base.op === "." && groupOf(base.args[0], { bound }) === undefined) {
    fields.unshift(base.args[1]);
    [base] = base.args;
  }
  const of = base.op === "." ? compileFieldOfGroup(base, bound) : compile(base, bound);
  if (fields.length === 0) return of;
  return (scope) => {
    let value = of(scope);
    for (let index = 0; index < fields.length && !(value instanceof Failure); index++) {
      value = readMember(value, fields[index] ?? "");
    }
    return value;
  };
}

function compileFieldOfGroup({ args: [left, field] }: Of<".">, bound: Bound): Evaluate {
  const group = groupOf(left, { bound });
  if (group === undefined) throw new Error("it is no group of fields");
  return readerOf(group, field);
}

function readMember(value: Value, field: string): Value | Failure {
  if (!isMap(value)) {
    return new Failure(`it reads the member ${quoted(field)} of something that has no members`);
  }
  if (!hasMember(value, field)) return new Failure(`there is no member ${quoted(field)} where it reads one`);
  return memberOf(value, field);
}

function quoted(field: string): string {
  return JSON.stringify(field.length > 60 ? `${field.slice(0, 60)}…` : field);
}

const NO_MEMBER = new Failure("there is no such member where it reads one with []");
const NO_ELEMENT = new Failure("there is no such element of a list");
const BAD_INDEX = new Failure("it reads with [] what is no list with a number, nor a map with a text");

function compileIndex([left, right]: readonly [Node, Node], bound: Bound): Evaluate {
  const of = compile(left, bound);
  const index = compile(right, bound);
  return (scope) => {
    const value = of(scope);
    if (value instanceof Failure) return value;
    const key = index(scope);
    return key instanceof Failure ? key : indexed(value, key);
  };
}

function indexed(value: Value, key: Value): Value | Failure {
  if (isList(value) && typeof key === "bigint") {
    return key >= 0n && key < lengthOf(value) ? itemOf(value, Number(key)) : NO_ELEMENT;
  }
  if (!isMap(value) || typeof key !== "string") return BAD_INDEX;
  return hasMember(value, key) ? memberOf(value, key) : NO_MEMBER;
}

const NOT_LOGIC = new Failure("it combines with && or || what is no bool");

/** As CEL has it: one operand that decides is enough, whatever became of the others. */
function compileLogic(node: Of<"&&"> | Of<"||">, bound: Bound): Evaluate {
  const operands = operandsOf(node).map((each) => compile(each, bound));
  const decides = node.op === "||";
  return (scope) => {
    let failure: Failure | undefined;
    for (const operand of operands) {
      const value = operand(scope);
      if (value === decides) return decides;
      if (typeof value !== "boolean") failure ??= value instanceof Failure ? value : NOT_LOGIC;
    }
    return failure ?? !decides;
  };
}

const NOT_CHOICE = new Failure("it chooses with ?: by what is no bool");

function compileChoice(nodes: readonly [Node, Node, Node], bound: Bound): Evaluate {
  const [condition, then, otherwise] = nodes.map((each) => compile(each, bound)) as [
    Evaluate,
    Evaluate,
    Evaluate,
  ];
  return (scope) => {
    const value = condition(scope);
    if (typeof value === "boolean") return value ? then(scope) : otherwise(scope);
    return value instanceof Failure ? value : NOT_CHOICE;
  };
}

const NOT_NOT = new Failure("it negates with ! what is no bool");

function compileNot(node: Node, bound: Bound): Evaluate {
  const of = compile(node, bound);
  return (scope) => {
    const value = of(scope);
    if (typeof value === "boolean") return !value;
    return value instanceof Failure ? value : NOT_NOT;
  };
}

function compileNegation(node: Node, bound: Bound): Evaluate {
  const of = compile(node, bound);
  return (scope) => {
    const value = of(scope);
    return value instanceof Failure ? value : negate(value);
  };
}

function compileList(nodes: readonly Node[], bound: Bound): Evaluate {
  const items = nodes.map((each) => compile(each, bound));
  if (nodes.every((each) => each.op === "value")) {
    return compileLiteral(new MadeList(nodes.map((each) => each.args as Value)));
  }
  return (scope) => {
    const made = all(items, scope);
    return made instanceof Failure ? made : new MadeList(made);
  };
}

/** The values of all, or the first failure. */
function all(parts: readonly Evaluate[], scope: Scope): Value[] | Failure {
  const values: Value[] = [];
  for (const part of parts) {
    const value = part(scope);
    if (value instanceof Failure) return value;
    values.push(value);
  }
  return values;
}

const BAD_KEY = new Failure("it makes a map with a key that is no text");

function compileMap(entries: readonly (readonly [Node, Node])[], bound: Bound): Evaluate {
  const compiled = entries.map(([key, value]) => [compile(key, bound), compile(value, bound)] as const);
  return (scope) => {
    const made = new Map<string, Value>();
    for (const [evaluateKey, evaluateValue] of compiled) {
      const key = evaluateKey(scope);
      const value = evaluateValue(scope);
      if (key instanceof Failure) return key;
      if (value instanceof Failure) return value;
      if (typeof key !== "string") return BAD_KEY;
      made.set(key, value);
    }
    return new MadeMap(made);
  };
}

/** Both operands are evaluated first; a failure of either is the answer. */
function ofTwo(
  nodes: readonly [Node, Node],
  bound: Bound,
  combine: (a: Value, b: Value, scope: Scope) => Value | Failure,
): Evaluate {
  const left = compile(nodes[0], bound);
  if (nodes[1].op === "value") {
    const b = nodes[1].args as Value;
    return (scope) => {
      const a = left(scope);
      return a instanceof Failure ? a : combine(a, b, scope);
    };
  }
  const right = compile(nodes[1], bound);
  return (scope) => {
    const a = left(scope);
    if (a instanceof Failure) return a;
    const b = right(scope);
    return b instanceof Failure ? b : combine(a, b, scope);
  };
}

function compileEquality(node: Of<"=="> | Of<"!=">, bound: Bound): Evaluate {
  const isWanted = node.op === "==";
  return ofTwo(node.args, bound, (a, b, scope) => {
    const equal = areEqual(a, b, scope.meter);
    return equal instanceof Failure ? equal : equal === isWanted;
  });
}

const NOT_A_CONTAINER = new Failure(
  "it looks with `in` for something in what is no list, nor a text in a map",
);

function compileMembership(nodes: readonly [Node, Node], bound: Bound): Evaluate {
  return ofTwo(nodes, bound, (value, container, scope) => {
    if (isList(container)) return isAmong(value, container, scope);
    if (!isMap(container) || typeof value !== "string") return NOT_A_CONTAINER;
    return hasMember(container, value);
  });
}

function isAmong(value: Value, list: Parameters<typeof lengthOf>[0], { meter }: Scope): boolean | Failure {
  const length = lengthOf(list);
  for (let index = 0; index < length; index++) {
    const item = itemOf(list, index);
    if (item instanceof Failure) return item;
    const equal = areEqual(value, item, meter);
    if (equal !== false) return equal;
    if (!meter.spend(4)) return TOO_COSTLY;
  }
  return false;
}

const IS_ORDERED: Readonly<Record<"<" | "<=" | ">" | ">=", (difference: number) => boolean>> = {
  "<": (difference) => difference < 0,
  "<=": (difference) => difference <= 0,
  ">": (difference) => difference > 0,
  ">=": (difference) => difference >= 0,
};

function compileOrder(node: Of<"<"> | Of<"<="> | Of<">"> | Of<">=">, bound: Bound): Evaluate {
  const { op } = node;
  const isOrdered = IS_ORDERED[op];
  return ofTwo(node.args, bound, (a, b, scope) => {
    if (typeof a === "string" && !scope.meter.spend(a.length / 64)) return TOO_COSTLY;
    const difference = order(a, b);
    if (difference === undefined) return new Failure(`it compares ${kindOf(a)} ${op} ${kindOf(b)}`);
    return isOrdered(difference);
  });
}

function compileCalculation(node: Of<"+"> | Of<"-"> | Of<"*"> | Of<"/"> | Of<"%">, bound: Bound): Evaluate {
  const operator: Operator = node.op;
  return ofTwo(node.args, bound, (a, b, scope) => calculate(operator, [a, b], scope.meter));
}

function compileCall({ args: [name, given] }: Of<"call">, bound: Bound): Evaluate {
  return name === "has" ? compileHas(given[0], bound) : compileGlobalCall(name, given, bound);
}

function compileMemberCallOrMacro(node: Of<"rcall">, bound: Bound): Evaluate {
  const [name, receiver, given] = node.args;
  if (COMPREHENSIONS.has(name)) return compileComprehension(node, bound);
  if (name === "callsOf") return compileCallsOf(given, bound);
  const evaluate = compileMemberCall(name, given);
  const parts = [receiver, ...given].map((each) => compile(each, bound));
  return (scope) => {
    const values = all(parts, scope);
    return values instanceof Failure ? values : evaluate(values, scope.meter);
  };
}

function compileGlobalCall(name: string, given: readonly Node[], bound: Bound): Evaluate {
  const parts = given.map((each) => compile(each, bound));
  return (scope) => {
    const values = all(parts, scope);
    return values instanceof Failure ? values : call(name, values, scope.meter);
  };
}

const HAS_NOT = new Failure("it asks with has() for a member of something that has no members");

function compileHas(node: Node | undefined, bound: Bound): Evaluate {
  if (node?.op !== ".") throw new Error("has() takes a member");
  const [left, field] = node.args;
  if (groupOf(left, { bound }) !== undefined) return compileHasField(compile(node, bound));
  const of = compile(left, bound);
  return (scope) => {
    const value = of(scope);
    if (value instanceof Failure) return value;
    return isMap(value) ? hasMember(value, field) : HAS_NOT;
  };
}

function compileHasField(read: Evaluate): Evaluate {
  return (scope) => {
    const value = read(scope);
    if (!(value instanceof Failure)) return true;
    return value.isAbsent ? false : value;
  };
}

const NO_TOOL = new Failure("it asks for the calls of what is no tool's name");

function compileCallsOf(given: readonly Node[], bound: Bound): Evaluate {
  const [tool] = given.map((each) => compile(each, bound));
  return (scope) => {
    const name = tool?.(scope) ?? NO_TOOL;
    if (name instanceof Failure) return name;
    return typeof name === "string" ? callsOf(scope, name) : NO_TOOL;
  };
}

function compileComprehension(node: Of<"rcall">, bound: Bound): Evaluate {
  const [name, receiver, [element, ...bodies]] = node.args;
  const inside = [...bound, element?.op === "id" ? element.args : ""];
  return comprehension(name, {
    range: compile(receiver, bound),
    bodies: bodies.map((each) => compile(each, inside)),
    depth: bound.length,
    costOfStep: bodies.reduce((sum, each) => sum + costOf(each), 8),
  });
}
