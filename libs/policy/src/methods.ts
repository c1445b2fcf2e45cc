/** Which of a rule's lists speaks of the names of a method; `none` where a request carries no name. */
export type NameList = "tools" | "resources" | "prompts" | "none";

/**
 * The methods of the protocol that a rule may speak of. Lists (`tools/list` …) and the messages that open and close a session are not here: they follow from
 * `isTargetVisible` and `couldBeAllowed`.
 */
export const GOVERNED_METHODS = {
  "tools/call": "tools",
  "resources/read": "resources",
  "resources/subscribe": "resources",
  "resources/unsubscribe": "resources",
  "prompts/get": "prompts",
  "completion/complete": "none",
  "subscriptions/listen": "none",
  "tasks/get": "none",
  "tasks/list": "none",
  "tasks/result": "none",
  "tasks/update": "none",
  "tasks/cancel": "none",
  "sampling/createMessage": "none",
  "elicitation/create": "none",
  "roots/list": "none",
} as const satisfies Record<string, NameList>;

export type GovernedMethod = keyof typeof GOVERNED_METHODS;

export const DEFAULT_METHODS = ["tools/call"] as const satisfies readonly GovernedMethod[];

/** What begins the names of the protocol's own methods: no server's own method may look like one of them. */
const RESERVED: ReadonlySet<string> = new Set([
  "initialize",
  "ping",
  "server",
  "logging",
  "tools",
  "resources",
  "prompts",
  "completion",
  "subscriptions",
  "tasks",
  "sampling",
  "elicitation",
  "roots",
]);
/** Notifications of the protocol follow from what they are about; a server's own are under the same name. */
const RESERVED_NOTIFICATIONS: ReadonlySet<string> = new Set([
  ...RESERVED,
  "initialized",
  "cancelled",
  "progress",
  "message",
]);

const VENDOR_METHOD = /^[A-Za-z$_][\w$.-]*(?:\/[\w$.-]+)*$/;
const MAX_VENDOR_METHOD = 128;

/**
 * Whether this can be a method of a server's own, which the protocol does not have: a rule may allow it by its name, as
 * requests and as notifications, of either side.
 */
export function isVendorMethod(method: string): boolean {
  if (method.length > MAX_VENDOR_METHOD || !VENDOR_METHOD.test(method)) return false;
  // A server that does not mind the case would take Tools/Call for tools/call, past every rule about that.
  const [first = "", second] = method.toLowerCase().split("/");
  if (first !== "notifications") return !RESERVED.has(first);
  return second !== undefined && !RESERVED_NOTIFICATIONS.has(second);
}

/** Which list of a rule speaks of the names of a method, the protocol's or a server's own. */
export function nameListOf(method: string): NameList {
  return isGovernedMethod(method) ? GOVERNED_METHODS[method] : "none";
}

export function isGovernedMethod(method: string): method is GovernedMethod {
  return Object.hasOwn(GOVERNED_METHODS, method);
}
