/** Which of a rule's lists speaks of the names of a method; `none` where a request carries no name. */
export type NameList = "tools" | "resources" | "prompts" | "none";

/**
 * Every method a rule may speak of. A method without a row is never allowed: there is nothing a rule could say.
 * Lists (`tools/list` …) and the messages that open and close a session are not here: they follow from
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

export function isGovernedMethod(method: string): method is GovernedMethod {
  return Object.hasOwn(GOVERNED_METHODS, method);
}
