import { SHELL_FACTS, SQL_FACTS } from "@drawbridge/commands/facts";

/** As conditions write it; `dyn` is whatever the JSON holds. */
export type VariableType =
  | "bool"
  | "int"
  | "string"
  | "timestamp"
  | "list<string>"
  | "map<string, string>"
  | "map<string, dyn>"
  | "dyn";

export interface FieldDescription {
  readonly type: VariableType;
  /** For people who write policies. */
  readonly says: string;
}

export interface VariableDescription {
  readonly says: string;
  /** Of a variable that is not a group of fields. */
  readonly type?: VariableType;
  readonly fields?: Readonly<Record<string, FieldDescription>>;
  /** Methods whose operations can have it; without the member all of them. */
  readonly methods?: readonly string[];
  /** It can differ between two calls of one tool by one principal: lists leave open what depends on it. */
  readonly moves?: true;
  /** What may read it: conditions of rules unless given. */
  readonly readBy?: "automatic" | "both";
}

/** Everything a condition can read: the type check, the evaluation, the documentation and its test are made from this. */
export const VARIABLES = {
  principal: {
    says: "who asks, from the verified token of this request",
    readBy: "both",
    fields: {
      id: { type: "string", says: "identifies a person or a workload over all issuers" },
      groups: { type: "list<string>", says: "groups in the token of this request" },
      email: {
        type: "string",
        says: "the e-mail address; reading it fails unless there is one and it is verified",
      },
      emailVerified: { type: "bool", says: "whether the issuer has verified the e-mail address" },
    },
  },
  client: {
    says: "the program through which the principal asks",
    readBy: "both",
    fields: {
      id: { type: "string", says: "the OAuth client, from the verified token" },
      name: { type: "string", says: "what the program calls itself: a claim, which no allow rule may read" },
    },
  },
  target: {
    says: "the registered MCP server",
    readBy: "both",
    fields: {
      name: { type: "string", says: "its name" },
      labels: {
        type: "map<string, string>",
        says: "its labels: target.labels.env; reading a label it does not have fails",
      },
    },
  },
  operation: {
    says: "what is asked for",
    fields: {
      method: { type: "string", says: "the method, such as tools/call" },
      name: {
        type: "string",
        says: "tool, prompt or resource URI; reading it fails for methods that name nothing",
      },
    },
  },
  args: {
    says: "the arguments, as JSON; reading a member that is not there fails",
    type: "map<string, dyn>",
    methods: ["tools/call", "prompts/get", "completion/complete"],
    moves: true,
  },
  tool: {
    says: "the accepted definition of the tool; all but the name are claims of the target",
    methods: ["tools/call"],
    fields: {
      name: { type: "string", says: "its name, always known" },
      title: { type: "string", says: "its title" },
      description: { type: "string", says: "its description" },
      inputSchema: { type: "dyn", says: "the JSON Schema of its arguments" },
      annotations: {
        type: "map<string, dyn>",
        says: "what the target claims of it, which no allow rule may read",
      },
    },
  },
  session: {
    says: "what has happened in the session, this operation not counted; callsOf(tool) is the number of calls of one tool",
    moves: true,
    fields: {
      calls: { type: "int", says: "operations that were allowed" },
      resultBytes: {
        type: "int",
        says: "size of all results; reading it fails where it is not known any more",
      },
      ageSeconds: { type: "int", says: "how long the session has been open" },
    },
  },
  grant: {
    says: "the grant that opens the policy, which has just-in-time access; reading any of it fails where there is none",
    moves: true,
    fields: {
      id: { type: "string", says: "identifies the grant" },
      reason: { type: "string", says: "why it was asked for; reading it fails where nothing was said" },
      ticket: {
        type: "string",
        says: "the ticket it was asked for with; reading it fails where there is none",
      },
      breakGlass: { type: "bool", says: "whether it was taken in an emergency" },
      expiresAt: { type: "timestamp", says: "when it ends" },
    },
  },
  request: {
    says: "the access that is asked for; only a condition of access.automatic may read it",
    readBy: "automatic",
    fields: {
      kind: { type: "string", says: "access, or extension where it is for more time" },
      durationSeconds: { type: "int", says: "for how long" },
      reason: { type: "string", says: "why; reading it fails where nothing was said" },
      ticket: { type: "string", says: "the ticket; reading it fails where there is none" },
      tools: { type: "list<string>", says: "tools, with * and ?; empty for the whole target" },
    },
  },
  now: { says: "the moment of the decision", type: "timestamp", moves: true, readBy: "both" },
  sql: {
    says: "what the SQL of the operation would do; reading any of it fails where no argument is SQL, and all but parsed, reason and dialect where it was not parsed",
    methods: ["tools/call"],
    moves: true,
    fields: SQL_FACTS,
  },
  shell: {
    says: "what the shell line of the operation would do; reading any of it fails where no argument is a shell line, and all but parsed and reason where it was not parsed",
    methods: ["tools/call"],
    moves: true,
    fields: SHELL_FACTS,
  },
} as const satisfies Record<string, VariableDescription>;

export type VariableName = keyof typeof VARIABLES;

/** What a condition of access.automatic may read: there is a request, and no operation yet. */
export const AUTOMATIC_VARIABLES: readonly string[] = Object.entries<VariableDescription>(VARIABLES)
  .filter(([, { readBy }]) => readBy !== undefined)
  .map(([name]) => name);

/** What a condition of a rule may not read. */
export const VARIABLES_OF_REQUESTS: readonly string[] = Object.entries<VariableDescription>(VARIABLES)
  .filter(([, { readBy }]) => readBy === "automatic")
  .map(([name]) => name);

export function isVariable(name: string): name is VariableName {
  return Object.hasOwn(VARIABLES, name);
}

export function variable(name: VariableName): VariableDescription {
  return VARIABLES[name];
}
