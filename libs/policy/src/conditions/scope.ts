import type { ShellFacts, SqlFacts } from "@drawbridge/commands/facts";
import type { Context, Grant, Operation, SessionUsage, ToolDefinition } from "../operation.js";
import { Meter } from "./meter.js";
import { Failure, fromJson, type Value } from "./values.js";
import { type VariableName, VARIABLES } from "./variables.js";

const NOT_YET = new Failure("it depends on the call itself");

type Facts = SqlFacts | ShellFacts;

/** What is asked for in an access request, as a condition about it reads it. */
export interface AskedAccess {
  readonly kind: "access" | "extension";
  readonly durationSeconds: number;
  readonly reason?: string | undefined;
  readonly ticket?: string | undefined;
  /** Globs; empty: the whole target. */
  readonly tools: readonly string[];
}

/** What conditions read in one decision: everything is asked for when the first condition needs it, and once. */
export class Scope {
  readonly operation: Operation;
  readonly context: Context;
  /** Leaves open what can differ between calls. */
  readonly isListing: boolean;
  /** That of the policy whose rule is asked. assumed: one that nobody has given yet, so that nothing is known of it. */
  grant: Grant | "assumed" | undefined;
  readonly request: AskedAccess | undefined;
  #meter = new Meter();
  /** Elements that macros are at, by how deep they are nested. */
  readonly elements: Value[] = [];
  /** Set when a condition looked at something that is left open. */
  hasMetUnknown = false;
  #now: Date | undefined;
  #arguments: Value | Failure | undefined;
  readonly #facts: { sql?: Facts | Failure; shell?: Facts | Failure } = {};

  constructor(
    operation: Operation,
    context: Context,
    {
      isListing = false,
      request,
    }: { readonly isListing?: boolean | undefined; readonly request?: AskedAccess | undefined } = {},
  ) {
    this.operation = operation;
    this.context = context;
    this.isListing = isListing;
    this.request = request;
  }

  /** What the conditions may still cost. */
  get meter(): Meter {
    return this.#meter;
  }

  renewMeter(): void {
    this.#meter = new Meter();
  }

  unknown(): Failure {
    this.hasMetUnknown = true;
    return NOT_YET;
  }

  now(): Value | Failure {
    this.#now ??= this.context.now ?? new Date();
    return Number.isNaN(this.#now.getTime()) ? NO_TIME : this.#now;
  }

  arguments(): Value | Failure {
    this.#arguments ??= argumentsOf(this.operation);
    return this.#arguments;
  }

  facts(language: "sql" | "shell"): Facts | Failure {
    const facts = this.#facts[language] ?? factsOf(this.operation, language);
    this.#facts[language] = facts;
    return facts;
  }
}

const NO_TIME = new Failure("the time is not known");
const NO_ARGUMENTS: Value = Object.freeze({});
const UNREADABLE = new Failure("the arguments cannot be read");

function argumentsOf(operation: Operation): Value | Failure {
  try {
    const value = operation.arguments?.();
    if (value === undefined) return NO_ARGUMENTS;
    const read = fromJson(value);
    const isObject = typeof read === "object" && read !== null && !Array.isArray(read);
    return isObject ? read : UNREADABLE;
  } catch {
    return UNREADABLE;
  }
}

const NO_FACTS = {
  sql: new Failure("sql is not known for this tool: no argument of it is SQL"),
  shell: new Failure("shell is not known for this tool: no argument of it is a shell line"),
} as const;
const UNFOUND_FACTS = {
  sql: new Failure("sql could not be found out"),
  shell: new Failure("shell could not be found out"),
} as const;

function factsOf(operation: Operation, language: "sql" | "shell"): Facts | Failure {
  try {
    return operation[language]?.() ?? NO_FACTS[language];
  } catch {
    return UNFOUND_FACTS[language];
  }
}

/** Never throws: a value, or why there is none. */
export type Evaluate = (scope: Scope) => Value | Failure;

const absent = (problem: string) => new Failure(problem, true);
const NO_EMAIL = absent("principal.email is not known, or not verified");
const NO_CLIENT_NAME = absent("client.name is not known");
const NO_NAME = absent("operation.name is not known: this method names nothing");
const NO_TOOL_NAME = new Failure("tool.name is not known: this is no call of a tool");
const NO_DEFINITION = new Failure("the definition of the tool is not known");
const NO_SESSION = new Failure("the session is not known here");
const NO_RESULT_BYTES = new Failure("session.resultBytes is not known any more");
const NO_GRANT = absent("grant is not known: nothing is given by a grant here");
const NO_REQUEST = new Failure("request is not known: nothing is asked for here");

/** Fields whose value is not simply the facts'. */
const READERS: Readonly<Record<string, Evaluate>> = {
  "principal.id": ({ context }) => context.principal.id,
  "principal.groups": ({ context }) => context.principal.groups,
  "principal.email": ({ context: { principal } }) =>
    principal.emailVerified === true ? (principal.email ?? NO_EMAIL) : NO_EMAIL,
  "principal.emailVerified": ({ context: { principal } }) =>
    principal.email !== undefined && principal.emailVerified === true,
  "client.id": ({ context }) => context.client.id,
  "client.name": ({ context }) => context.client.name ?? NO_CLIENT_NAME,
  "target.name": ({ operation }) => operation.target.name,
  "target.labels": ({ operation }) => fromJson(operation.target.labels),
  "operation.method": ({ operation }) => operation.method,
  "operation.name": ({ operation }) => operation.name ?? NO_NAME,
  "tool.name": ({ operation: { method, name } }) =>
    method === "tools/call" ? (name ?? NO_TOOL_NAME) : NO_TOOL_NAME,
  "tool.title": ofDefinition("title"),
  "tool.description": ofDefinition("description"),
  "tool.inputSchema": ofDefinition("inputSchema"),
  "tool.annotations": ofDefinition("annotations"),
  "session.calls": ofSession(({ calls }) => calls),
  "session.resultBytes": ofSession(({ resultBytes }) => resultBytes),
  "session.ageSeconds": ofSession(({ ageSeconds }) => Math.floor(ageSeconds)),
  "grant.id": ofGrant("id", ({ id }) => id),
  "grant.reason": ofGrant("reason", ({ reason }) => reason),
  "grant.ticket": ofGrant("ticket", ({ ticket }) => ticket),
  "grant.breakGlass": ofGrant("breakGlass", ({ breakGlass }) => breakGlass),
  "grant.expiresAt": ofGrant("expiresAt", ({ endsAt }) => endsAt),
  "request.kind": ofRequest("kind", ({ kind }) => kind),
  "request.durationSeconds": ofRequest("durationSeconds", ({ durationSeconds }) =>
    fromJson(Math.floor(durationSeconds)),
  ),
  "request.reason": ofRequest("reason", ({ reason }) => reason),
  "request.ticket": ofRequest("ticket", ({ ticket }) => ticket),
  "request.tools": ofRequest("tools", ({ tools }) => tools),
  args: (scope) => scope.arguments(),
  now: (scope) => scope.now(),
};

function ofDefinition(field: Exclude<keyof ToolDefinition, "name">): Evaluate {
  const missing = absent(`tool.${field} is not known: its definition has none`);
  return ({ operation: { tool } }) => {
    if (!tool) return NO_DEFINITION;
    const value = tool[field];
    return value === undefined ? missing : fromJson(value);
  };
}

function ofSession(field: (session: SessionUsage) => number | undefined): Evaluate {
  return ({ context: { session } }) => {
    if (!session) return NO_SESSION;
    const value = field(session);
    return value === undefined ? NO_RESULT_BYTES : fromJson(value);
  };
}

function ofGrant(field: string, read: (grant: Grant) => Value | undefined): Evaluate {
  const missing = absent(`grant.${field} is not known: it was given without one`);
  return (scope) => {
    const { grant } = scope;
    if (grant === "assumed") return scope.unknown();
    return grant ? (read(grant) ?? missing) : NO_GRANT;
  };
}

function ofRequest(field: string, read: (request: AskedAccess) => Value | Failure | undefined): Evaluate {
  const missing = absent(`request.${field} is not known: it has none`);
  return ({ request }) => (request ? (read(request) ?? missing) : NO_REQUEST);
}

/** Of what was not parsed, only this means anything. */
const ALWAYS_KNOWN: ReadonlySet<string> = new Set(["parsed", "reason", "dialect"]);

function ofFacts(language: "sql" | "shell", fact: string): Evaluate {
  const unparsed = new Failure(`${language}.${fact} is not known: the command could not be parsed`);
  const isAlwaysKnown = ALWAYS_KNOWN.has(fact);
  return (scope) => {
    const facts = scope.facts(language);
    if (facts instanceof Failure) return facts;
    if (!facts.parsed && !isAlwaysKnown) return unparsed;
    return fromJson((facts as Readonly<Record<string, unknown>>)[fact]);
  };
}

/** How a variable or a field of one is read. It must be declared. */
export function readerOf(name: VariableName, field?: string): Evaluate {
  const read = readNow(name, field);
  if (!("moves" in VARIABLES[name])) return read;
  return (scope) => (scope.isListing ? scope.unknown() : read(scope));
}

function readNow(name: VariableName, field?: string): Evaluate {
  if ((name === "sql" || name === "shell") && field !== undefined) return ofFacts(name, field);
  const key = field === undefined ? name : `${name}.${field}`;
  const read = READERS[key];
  if (!read) throw new Error(`nothing reads ${key}`);
  return read;
}

/** Calls of one tool in the session. */
export function callsOf(scope: Scope, tool: string): Value | Failure {
  if (scope.isListing) return scope.unknown();
  const { session } = scope.context;
  if (!session) return NO_SESSION;
  try {
    return fromJson(session.callsOf(tool));
  } catch {
    return NO_SESSION;
  }
}
