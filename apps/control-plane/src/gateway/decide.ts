import { isPlainUri, METHODS, type McpNotification, type McpRequest, RpcErrorCode } from "@drawbridge/mcp";
import {
  type CompiledPolicies,
  type Context,
  couldBeAllowed,
  evaluate,
  isTargetVisible,
  type Target,
} from "@drawbridge/policy";
import type { Principal } from "../identity/index.js";
import { GatewayError, unknownSession } from "./gateway-error.js";
import type { LiveSnapshot } from "./live-state.js";

/** What is decided about one message of a client, and how a refusal is told. */
export interface GatewayDecision {
  readonly effect: "allow" | "deny";
  readonly policy?: string | undefined;
  readonly version?: number | undefined;
  readonly rule?: string | undefined;
  /** For the recording. The caller hears `refusal`. */
  readonly reason: string;
  readonly refusal?: GatewayError;
}

export interface Question {
  readonly target: Target;
  readonly context: Context;
  readonly message: McpRequest | McpNotification;
}

/** Who asks, as policies see it. Everything here is from this request's verified token. */
export function contextOf({ id, groups, email, client }: Principal): Context {
  return { principal: { id, groups, email, emailVerified: email !== undefined }, client: { id: client } };
}

/** A pure function of the policies and the message: whoever gets new policies may ask it again. */
export function decide(policies: CompiledPolicies, question: Question): GatewayDecision {
  const { target, context, message } = question;
  const rule = METHODS.get(message.method);
  if (!rule || rule.direction === "serverToClient" || rule.era === "modern" || rule.kind !== message.kind) {
    return denied("the method is not known", methodNotFound(message.method));
  }
  const { governance } = rule;
  if (governance.as === "operation") return decideOperation(policies, question, governance.name);
  return isTargetVisible(policies, target, context)
    ? { effect: "allow", reason: "part of using the target" }
    : denied("no rule makes the target visible", methodNotFound(message.method));
}

/** The same as of a moment: with the target's labels of that moment, or a refusal when it is gone. */
export function decideNow({ policies, targets }: LiveSnapshot, question: Question): GatewayDecision {
  const target = targets.get(question.target.name);
  return target ? decide(policies, { ...question, target }) : gone();
}

export function gone(): GatewayDecision {
  return { effect: "deny", reason: "the session or its target is gone", refusal: unknownSession() };
}

function decideOperation(
  policies: CompiledPolicies,
  { target, context, message: { method, name } }: Question,
  named: string | undefined,
): GatewayDecision {
  if (named !== undefined && name === undefined) {
    return denied(
      "the message does not say what it is about",
      invalidParams(`${method} needs params.${named}`),
    );
  }
  if (named === "uri" && name !== undefined && !isPlainUri(name)) {
    return denied(
      "the URI can be read in more than one way",
      invalidParams(
        "params.uri must be plain: no . or .. segments, nothing encoded needlessly, no backslashes",
      ),
    );
  }
  const operation = { target, method, name };
  const { effect, policy, version, rule, reason, message } = evaluate(policies, operation, context);
  const deciding = { policy, version, rule, reason };
  if (effect === "allow") return { effect, ...deciding };
  const refusal = couldBeAllowed(policies, operation, context)
    ? new GatewayError({ status: 200, code: RpcErrorCode.DeniedByPolicy, message: message ?? reason })
    : asIfUnknown(method, name);
  return { effect: "deny", ...deciding, refusal };
}

function denied(reason: string, refusal: GatewayError): GatewayDecision {
  return { effect: "deny", reason, refusal };
}

/** What a target says of a thing that it does not have, so that a denied thing and a missing one look the same. */
function asIfUnknown(method: string, name: string | undefined): GatewayError {
  if (method === "tools/call") return invalidParams(`Unknown tool: ${name}`);
  if (method === "prompts/get") return invalidParams(`Unknown prompt: ${name}`);
  if (method.startsWith("resources/")) {
    return new GatewayError({
      status: 200,
      code: RpcErrorCode.ResourceNotFound,
      message: `Resource not found: ${name}`,
    });
  }
  return methodNotFound(method);
}

function methodNotFound(method: string): GatewayError {
  return new GatewayError({
    status: 200,
    code: RpcErrorCode.MethodNotFound,
    message: `Method not found: ${method}`,
  });
}

function invalidParams(message: string): GatewayError {
  return new GatewayError({ status: 200, code: RpcErrorCode.InvalidParams, message });
}
