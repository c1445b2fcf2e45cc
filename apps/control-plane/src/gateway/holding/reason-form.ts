import { jsonView, type JsonView, type McpRequest } from "@drawbridge/mcp";
import { MAY_REQUIRE_INPUT } from "./delivery.js";

const KEY = "reason";
/** As the REST API takes them (contracts, CreateAccessRequest). */
const MAX_REASON = 2_000;
const MAX_TICKET = 200;

/** Why somebody wants access, in their own words. */
export interface Reason {
  readonly reason: string;
  readonly ticket: string | undefined;
}

/** Whether whoever sits at the client can be asked with a form while it waits for the answer to this request. */
export function canAsk({ method, bytes, ranges }: McpRequest): boolean {
  if (!MAY_REQUIRE_INPUT.has(method) || !ranges.clientCapabilities) return false;
  const [start, end] = ranges.clientCapabilities;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", start, end);
  const elicitation = member(jsonView(text), "elicitation");
  if (!isObject(elicitation)) return false;
  // One that says nothing of modes knows forms.
  return Object.hasOwn(elicitation, "form") || !Object.hasOwn(elicitation, "url");
}

/** `inputRequests` that asks for it. */
export function reasonForm(target: string, policy: string): object {
  const params = {
    mode: "form",
    message: `Access to ${target} has to be asked for (policy ${policy}). What do you need it for?`,
    requestedSchema: {
      type: "object",
      properties: {
        reason: { type: "string", title: "Reason", minLength: 1, maxLength: MAX_REASON },
        ticket: { type: "string", title: "Ticket", maxLength: MAX_TICKET },
      },
      required: ["reason"],
    },
  };
  return { [KEY]: { method: "elicitation/create", params } };
}

/** What `inputResponses` say to it; undefined when whoever was asked has not said why. */
export function reasonIn(answers: JsonView | undefined): Reason | undefined {
  const answer = member(answers, KEY);
  if (member(answer, "action") !== "accept") return undefined;
  const content = member(answer, "content");
  const reason = textOf(member(content, "reason"), MAX_REASON);
  if (reason === undefined) return undefined;
  return { reason, ticket: textOf(member(content, "ticket"), MAX_TICKET) };
}

function textOf(value: JsonView | undefined, maxLength: number): string | undefined {
  if (typeof value !== "string") return undefined;
  const text = value.trim();
  return text === "" || text.length > maxLength ? undefined : text;
}

function member(value: JsonView | undefined, key: string): JsonView | undefined {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function isObject(value: JsonView | undefined): value is { readonly [key: string]: JsonView } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
