import { BOUNDS } from "./bounds.js";
import { COMPREHENSIONS, FUNCTIONS, isFunction, takesArguments } from "./functions.js";
import { at, type Node, parseCondition, partsOf } from "./language.js";
import { compilePattern } from "./pattern.js";
import { nearest } from "./nearest.js";
import { isTimePart, parseDuration, parseTimestamp, readPartIn } from "./times.js";
import { MAX_INT, MIN_INT } from "./values.js";
import { isVariable, variable, type VariableName, VARIABLES } from "./variables.js";

/** What a condition reads: `args`, `now`, or a field such as `sql.writes`. */
export type Reads = ReadonlySet<string>;

export type CheckedCondition =
  | { readonly ok: true; readonly root: Node; readonly reads: Reads; readonly patterns: readonly string[] }
  | { readonly ok: false; readonly problem: string; readonly patterns: readonly string[] };

/** Parses a condition and checks its names, types and bounds. `problem` says where it is wrong and what to do. */
export function checkCondition(text: string): CheckedCondition {
  const parsed = parseCondition(text);
  if (!parsed.ok) return { ...parsed, patterns: [] };
  const names = new NameCheck();
  const problem = names.problemOf(parsed.root);
  const { reads, patterns } = names;
  if (problem !== undefined) return { ok: false, problem, patterns };
  const checked = parsed.check();
  if (!checked.ok) return { ...checked, patterns };
  if (checked.type !== "bool" && checked.type !== "dyn") {
    const says = `compare it with something: the condition comes to a value of type ${checked.type}, not to a bool`;
    return { ok: false, problem: says, patterns };
  }
  return { ok: true, root: parsed.root, reads, patterns };
}

interface Place {
  /** Variables of macros. */
  readonly bound: readonly string[];
  readonly depth: number;
}

/** Every name and bound that the type check does not look at, or explains less well. */
class NameCheck {
  readonly reads = new Set<string>();
  readonly patterns: string[] = [];

  problemOf(root: Node): string | undefined {
    return this.#inNode(root, { bound: [], depth: 0 });
  }

  #inNode(node: Node, place: Place): string | undefined {
    if (place.depth > BOUNDS.depth) {
      return `simplify the condition, or make several rules: it is nested more than ${BOUNDS.depth} deep`;
    }
    if (node.op === "value") return literalProblem(node.args, node);
    if (node.op === "id") return this.#inName(node.args, node, place);
    if (node.op === ".") return this.#inField(node, place);
    if (node.op === "call") return this.#inCall(node, place);
    if (node.op === "rcall") return this.#inMemberCall(node, place);
    return this.#inParts(partsOf(node), place);
  }

  #inParts(parts: readonly Node[], { bound, depth }: Place): string | undefined {
    for (const part of parts) {
      const problem = this.#inNode(part, { bound, depth: depth + 1 });
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** A name by itself: the variable of a macro, or a variable that is no group of fields. */
  #inName(name: string, node: Node, { bound }: Place): string | undefined {
    if (bound.includes(name)) return undefined;
    if (!isVariable(name)) return unknownVariable(name, node);
    const { fields } = variable(name);
    if (fields) return `say which field of ${name}${at(node.start)}: ${Object.keys(fields).join(", ")}`;
    this.reads.add(name);
    return undefined;
  }

  #inField(node: Node & { op: "." }, place: Place): string | undefined {
    const [left, field] = node.args;
    const group = groupOf(left, place);
    if (isTime(left, place)) {
      return `ask a time for its parts with functions${at(node.start)}, such as getHours("Europe/Berlin"): it has no ${short(field)}`;
    }
    if (group === undefined) return this.#inParts([left], place);
    const { fields = {} } = variable(group);
    if (!Object.hasOwn(fields, field)) return unknownField(group, field, node);
    this.reads.add(`${group}.${field}`);
    return undefined;
  }

  #inCall(node: Node & { op: "call" }, place: Place): string | undefined {
    const [name, given] = node.args;
    if (!takesArguments(name, given.length, false)) return unknownFunction(name, node);
    const [argument] = given;
    if (name === "has" && argument?.op !== ".") {
      return `give has() a member${at(node.start)}, such as has(args.limit)`;
    }
    return writtenTimeProblem(name, argument) ?? this.#inParts(given, place);
  }

  #inMemberCall(node: Node & { op: "rcall" }, place: Place): string | undefined {
    const [name, receiver, given] = node.args;
    if (!takesArguments(name, given.length, true)) return unknownFunction(name, node);
    if (name === "callsOf") return this.#inCallsOf(node, place);
    if (COMPREHENSIONS.has(name)) return this.#inComprehension(node, place);
    if (name === "matches" && isText(given[0])) this.patterns.push(given[0].args);
    return writtenArgumentProblem(name, given, node) ?? this.#inParts([receiver, ...given], place);
  }

  #inCallsOf(node: Node & { op: "rcall" }, place: Place): string | undefined {
    const [, receiver, given] = node.args;
    if (groupOf(receiver, place) !== "session") {
      return `write session.callsOf(…)${at(node.start)}: nothing else has calls`;
    }
    this.reads.add("session.callsOf");
    return this.#inParts(given, place);
  }

  #inComprehension(node: Node & { op: "rcall" }, place: Place): string | undefined {
    const [name, receiver, [variableNode, ...bodies]] = node.args;
    if (variableNode?.op !== "id" || isVariable(variableNode.args)) {
      return `name the element${at(variableNode?.start)} other than the variables: list.${name}(x, …)`;
    }
    if (place.bound.includes(variableNode.args)) {
      return `name the element otherwise${at(variableNode.start)}: ${variableNode.args} is one already`;
    }
    if (place.bound.length >= BOUNDS.comprehensionDepth) {
      return `simplify the condition${at(node.start)}: macros over lists are nested at most ${BOUNDS.comprehensionDepth} deep`;
    }
    const inside = { bound: [...place.bound, variableNode.args], depth: place.depth };
    return this.#inParts([receiver], place) ?? this.#inParts(bodies, inside);
  }
}

/** The group of fields that a name stands for, unless a macro gave the name to something else. */
export function groupOf(node: Node, { bound }: Pick<Place, "bound">): VariableName | undefined {
  if (node.op !== "id" || bound.includes(node.args) || !isVariable(node.args)) return undefined;
  return variable(node.args).fields ? node.args : undefined;
}

/** A moment or a length of time, where that can be seen: the type check takes any member of one. */
function isTime(node: Node, { bound }: Place): boolean {
  if (node.op === "id") return node.args === "now" && !bound.includes("now");
  return node.op === "call" && (node.args[0] === "timestamp" || node.args[0] === "duration");
}

function literalProblem(value: unknown, node: Node): string | undefined {
  if (typeof value === "bigint" && (value > MAX_INT || value < MIN_INT)) {
    return `write a smaller number${at(node.start)}: an int has 64 bits`;
  }
  if (typeof value === "object" && value !== null) {
    return `write a text, an int or a double${at(node.start)}: bytes and uint are not used in conditions`;
  }
  return undefined;
}

function unknownVariable(name: string, node: Node): string {
  const names = Object.keys(VARIABLES);
  return `correct ${short(name)}${at(node.start)}: there is no such variable; ${suggestion(name, names)}`;
}

function unknownField(group: VariableName, field: string, node: Node): string {
  const names = Object.keys(variable(group).fields ?? {});
  return `correct ${group}.${short(field)}${at(node.start)}: ${group} has no such field; ${suggestion(field, names)}`;
}

function unknownFunction(name: string, node: Node): string {
  if (isFunction(name)) {
    return `correct the call of ${name}${at(node.start)}: it is written ${FUNCTIONS[name].forms.join(" or ")}`;
  }
  return `correct ${short(name)}()${at(node.start)}: there is no such function; ${suggestion(name, Object.keys(FUNCTIONS))}`;
}

function suggestion(name: string, names: readonly string[]): string {
  const found = nearest(name, names);
  return found === undefined ? `there are ${names.join(", ")}` : `is it ${found}?`;
}

function short(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}…` : name;
}

/** Patterns and time zones are compiled with the policy, so they must be written out. */
function writtenArgumentProblem(name: string, given: readonly Node[], node: Node): string | undefined {
  const [argument] = given;
  if (name === "matches") {
    if (!isText(argument))
      return `write the pattern out${at(node.start)}: it cannot be made from other values`;
    const pattern = compilePattern(argument.args);
    return "problem" in pattern ? `${pattern.problem} (${at(argument.start).trim()})` : undefined;
  }
  if (!isTimePart(name) || !argument) return undefined;
  if (isText(argument) && readPartIn(argument.args)) return undefined;
  return `write out a time zone${at(argument.start)}, such as "Europe/Berlin" or "UTC"`;
}

function writtenTimeProblem(name: string, argument: Node | undefined): string | undefined {
  if (!isText(argument)) return undefined;
  if (name === "timestamp" && !parseTimestamp(argument.args)) {
    return `write the time${at(argument.start)} as "2026-12-31T22:00:00Z"`;
  }
  if (name === "duration" && !parseDuration(argument.args)) {
    return `write the duration${at(argument.start)} as "1h30m", with h, m, s or ms`;
  }
  return undefined;
}

export function isText(node: Node | undefined): node is Node & { op: "value"; args: string } {
  return node?.op === "value" && typeof node.args === "string";
}
