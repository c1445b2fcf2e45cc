export type ListName = "tools" | "prompts" | "resources" | "resourceTemplates" | "tasks";

/** Which member of params names what a request is about. For a completion: `ref.name` or `ref.uri`, by `ref.type`. */
export type NameSource = "name" | "uri" | "taskId" | "ref";

/**
 * Who decides about a message.
 * lifecycle: whoever may use the target. list: whoever may use the target, entries filtered by what `call` would be decided.
 * operation: the policy, by method and (where `name` says so) by name; without a readable name it is to be refused.
 * serverRequest: the target asks the client for something; the policy, denied unless it says otherwise.
 */
export type Governance =
  | { readonly as: "lifecycle" }
  | { readonly as: "list"; readonly list: ListName; readonly call: string }
  | { readonly as: "operation"; readonly name?: NameSource }
  | { readonly as: "serverRequest" };

export interface MethodRule {
  readonly direction: "clientToServer" | "serverToClient" | "both";
  readonly kind: "request" | "notification";
  /** legacy: 2025-03-26 to 2025-11-25. modern: 2026-07-28 (and its tasks extension). */
  readonly era: "legacy" | "modern" | "both";
  readonly governance: Governance;
  /** session: about no request under way, so it belongs on no stream of one. */
  readonly channel: "request" | "session";
}

const lifecycle = { as: "lifecycle" } as const;
const serverRequest = { as: "serverRequest" } as const;

type Row = readonly [MethodRule["direction"], MethodRule["kind"], MethodRule["era"], Governance];

const ROWS: Readonly<Record<string, Row>> = {
  initialize: ["clientToServer", "request", "legacy", lifecycle],
  "notifications/initialized": ["clientToServer", "notification", "legacy", lifecycle],
  "server/discover": ["clientToServer", "request", "modern", lifecycle],
  ping: ["both", "request", "legacy", lifecycle],
  "logging/setLevel": ["clientToServer", "request", "legacy", lifecycle],
  "notifications/cancelled": ["both", "notification", "both", lifecycle],
  "notifications/progress": ["both", "notification", "both", lifecycle],
  "notifications/message": ["serverToClient", "notification", "both", lifecycle],

  "tools/list": ["clientToServer", "request", "both", { as: "list", list: "tools", call: "tools/call" }],
  "tools/call": ["clientToServer", "request", "both", { as: "operation", name: "name" }],
  "notifications/tools/list_changed": ["serverToClient", "notification", "both", lifecycle],

  "prompts/list": ["clientToServer", "request", "both", { as: "list", list: "prompts", call: "prompts/get" }],
  "prompts/get": ["clientToServer", "request", "both", { as: "operation", name: "name" }],
  "notifications/prompts/list_changed": ["serverToClient", "notification", "both", lifecycle],

  "resources/list": [
    "clientToServer",
    "request",
    "both",
    { as: "list", list: "resources", call: "resources/read" },
  ],
  "resources/templates/list": [
    "clientToServer",
    "request",
    "both",
    { as: "list", list: "resourceTemplates", call: "resources/read" },
  ],
  "resources/read": ["clientToServer", "request", "both", { as: "operation", name: "uri" }],
  "resources/subscribe": ["clientToServer", "request", "legacy", { as: "operation", name: "uri" }],
  "resources/unsubscribe": ["clientToServer", "request", "legacy", { as: "operation", name: "uri" }],
  "notifications/resources/updated": ["serverToClient", "notification", "both", lifecycle],
  "notifications/resources/list_changed": ["serverToClient", "notification", "both", lifecycle],

  "completion/complete": ["clientToServer", "request", "both", { as: "operation", name: "ref" }],
  "subscriptions/listen": ["clientToServer", "request", "modern", { as: "operation" }],
  "notifications/subscriptions/acknowledged": ["serverToClient", "notification", "modern", lifecycle],

  "tasks/get": ["both", "request", "both", { as: "operation", name: "taskId" }],
  "tasks/result": ["both", "request", "legacy", { as: "operation", name: "taskId" }],
  "tasks/list": ["both", "request", "legacy", { as: "operation" }],
  "tasks/update": ["clientToServer", "request", "modern", { as: "operation", name: "taskId" }],
  "tasks/cancel": ["both", "request", "both", { as: "operation", name: "taskId" }],
  "notifications/tasks/status": ["both", "notification", "legacy", lifecycle],
  "notifications/tasks": ["serverToClient", "notification", "modern", lifecycle],

  "sampling/createMessage": ["serverToClient", "request", "legacy", serverRequest],
  "elicitation/create": ["serverToClient", "request", "legacy", serverRequest],
  "notifications/elicitation/complete": ["serverToClient", "notification", "legacy", lifecycle],
  "roots/list": ["serverToClient", "request", "legacy", serverRequest],
  "notifications/roots/list_changed": ["clientToServer", "notification", "legacy", lifecycle],
};

const OF_THE_SESSION: ReadonlySet<string> = new Set([
  "notifications/tools/list_changed",
  "notifications/prompts/list_changed",
  "notifications/resources/list_changed",
  "notifications/resources/updated",
  "notifications/roots/list_changed",
  "notifications/elicitation/complete",
  "notifications/tasks/status",
]);

/** Every method of the supported revisions. A method that is not here is to be refused. */
export const METHODS: ReadonlyMap<string, MethodRule> = new Map(
  Object.entries(ROWS).map(([method, [direction, kind, era, governance]]) => [
    method,
    { direction, kind, era, governance, channel: OF_THE_SESSION.has(method) ? "session" : "request" },
  ]),
);
