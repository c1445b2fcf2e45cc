import {
  type Era,
  isPlainUri,
  type McpNotification,
  type McpRequest,
  type MethodRule,
  METHODS,
  RpcErrorCode,
} from "@drawbridge/mcp";
import {
  type AppliedLimit,
  type CompiledPolicies,
  type Context,
  couldBeAllowed,
  type Decision,
  type Effect,
  evaluate,
  type FailedCondition,
  type Grant,
  isTargetVisible,
  type ReviewTerms,
  type ToolDefinition,
} from "@drawbridge/policy";
import type { Principal } from "../../identity/index.js";
import { GatewayError, unknownSession } from "../gateway-error.js";
import type { OperationParts } from "../../policies/index.js";
import type { LiveSnapshot } from "./live-state.js";
import { operationNamed, operationOf } from "./operation-of.js";
import type { LiveLock } from "../../locks/index.js";
import { lockedInWords, lockedRefusal } from "./locked.js";
import type { Pin } from "../../tools/index.js";
import { notAccepted, pinOfCalled } from "./pinned-tools.js";
import { declaresTasks, tasksNotDeclared } from "./task-capability.js";

/** What is decided about one message of a client, and how a refusal is told. */
export interface GatewayDecision {
  readonly effect: Effect;
  readonly policy?: string | undefined;
  readonly version?: number | undefined;
  readonly rule?: string | undefined;
  /** For the recording. The caller hears `refusal`. */
  readonly reason: string;
  readonly refusal?: GatewayError;
  /** Of what is allowed: there has to be room in all of them. */
  readonly limits?: readonly AppliedLimit[] | undefined;
  /** Of what needs an approval: who is asked. */
  readonly review?: ReviewTerms | undefined;
  /** Under which access was given, where it was not standing. */
  readonly grant?: Grant | undefined;
  /** Of what is denied: the policies with which it would not be, if the principal had a grant. */
  readonly requestable?: readonly string[] | undefined;
  /** Conditions that could not be evaluated, whatever was decided. */
  readonly failed?: readonly FailedCondition[] | undefined;
  /** Of tools/call: of the definition that was accepted. None where the tool has never been shown. */
  readonly toolDigest?: Uint8Array | undefined;
}

export interface Question {
  readonly target: OperationParts["target"];
  /** Of the session: another target of the same name is another one. */
  readonly targetId?: string;
  readonly sessionId?: string;
  /** The session's agent, once it has one. */
  readonly agentId?: string | undefined;
  readonly context: Context;
  readonly message: McpRequest | McpNotification;
  /** Of tools/call: as it was accepted. */
  readonly tool?: ToolDefinition | undefined;
  /** Of the session the message came into. */
  readonly era: Era;
  /** Only of a message that names tasks: whether all of them are the caller's. */
  readonly ownsTasks?: boolean;
  /** The task that it names is ours: a call that waits for people. */
  readonly isHeldTask?: boolean;
  /** Of subscriptions/listen: the resources it wants to hear of. Undefined where that cannot be read. */
  readonly listensTo?: readonly string[] | undefined;
}

/**
 * Who asks, as policies see it. All but `clientName`, which is claimed, is from this request's verified token; what else
 * is known comes with the question.
 */
export function contextOf(
  { id, groups, email, client }: Pick<Principal, "id" | "groups" | "email" | "client">,
  clientName?: string,
): Context {
  return {
    principal: { id, groups, email, emailVerified: email !== undefined },
    client: { id: client, name: clientName },
  };
}

/** A pure function of the policies and the message: whoever gets new policies may ask it again. */
export function decide(policies: CompiledPolicies, question: Question): GatewayDecision {
  const { target, context, message } = question;
  const rule = METHODS.get(message.method);
  // Of a method that no revision knows the policies say whether it may pass.
  if (!rule) return decideOperation(policies, question, undefined);
  if (!isForTargets(rule, question)) {
    return denied("this revision has no such method for clients", methodNotFound(message.method));
  }
  const { governance } = rule;
  if (question.ownsTasks === false) {
    const isUndeclared = question.era === "modern" && !declaresTasks(message);
    const refusal = isUndeclared ? tasksNotDeclared() : invalidParams("Task not found");
    return denied("the task is not the caller's", refusal);
  }
  if (question.isHeldTask) return decideHeldTask(policies, question);
  if (message.method === "subscriptions/listen") return decideListening(policies, question);
  if (governance.as === "operation") return decideOperation(policies, question, governance.name);
  return isTargetVisible(policies, target, context)
    ? { effect: "allow", reason: "part of using the target" }
    : denied("no rule makes the target visible", methodNotFound(message.method));
}

/** Whoever was told to come back may do so: what the task is about is decided about when it runs, and when it is told. */
function decideHeldTask(policies: CompiledPolicies, { target, context, message }: Question): GatewayDecision {
  if (!declaresTasks(message)) return denied("the tasks extension was not declared", tasksNotDeclared());
  return isTargetVisible(policies, target, context)
    ? { effect: "allow", reason: "part of waiting for an approval" }
    : denied("no rule makes the target visible", invalidParams("Task not found"));
}

function isForTargets({ direction, era, kind }: MethodRule, question: Question): boolean {
  const inEra = era === "both" || era === question.era;
  return direction !== "serverToClient" && inEra && kind === question.message.kind;
}

/**
 * The same as of a moment: with the target's labels, the grants and the locks of that moment, or a refusal when the
 * target is gone. `at`: of grants and locks, which end by themselves; conditions are asked about the moment of the question.
 */
export function decideNow(live: LiveSnapshot, question: Question, at = new Date()): GatewayDecision {
  const { policies, targets, pins } = live;
  const target = targets.get(question.target.name);
  const isTheSame = question.targetId === undefined || question.targetId === target?.id;
  if (!target || !isTheSame) return gone();
  const pin = pinOfCalled(pins, target.id, question.message);
  const context = withGrants(live, { ...question, targetId: target.id }, at);
  const decision = decide(policies, { ...question, context, target, tool: pin?.definition });
  const accepted = pin ? asAccepted(decision, pin, target.name) : decision;
  const lock = accepted.effect === "deny" ? undefined : lockOn(live, question, at);
  return lock ? locked(lock) : accepted;
}

/** Who asks, with the grants in force at `at`. */
export function withGrants(
  { grants }: LiveSnapshot,
  { context, targetId, sessionId }: Pick<Question, "context" | "targetId" | "sessionId">,
  at = new Date(),
): Context {
  if (targetId === undefined) return context;
  const { id: principal } = context.principal;
  return { ...context, grants: grants.of({ principal, targetId, sessionId }, at), grantsAt: at };
}

/** Of anything that the question is about. */
export function lockOn(
  { locks }: Pick<LiveSnapshot, "locks">,
  question: Question,
  at = new Date(),
): LiveLock | undefined {
  const { context, target, message, sessionId, agentId } = question;
  const tool = message.method === "tools/call" ? message.name : undefined;
  const { principal, client } = context;
  const who = { principal: principal.id, client: client.id, session: sessionId, agent: agentId };
  return locks.on({ ...who, target: target.name, tool }, at);
}

/** What policies deny stays denied, and tells nothing of a lock. */
function locked(lock: LiveLock): GatewayDecision {
  return { effect: "deny", reason: lockedInWords(lock), refusal: lockedRefusal(lock) };
}

/** Only a tool as it was accepted is called. What policies deny stays denied, and tells nothing of that. */
function asAccepted(decision: GatewayDecision, pin: Pin, targetName: string): GatewayDecision {
  if (decision.effect === "deny") return decision;
  if (pin.state === "accepted") return { ...decision, toolDigest: pin.acceptedDigest };
  return { effect: "deny", failed: decision.failed, ...notAccepted(pin, targetName) };
}

export function gone(): GatewayDecision {
  return { effect: "deny", reason: "the session or its target is gone", refusal: unknownSession() };
}

/** Who may not subscribe to a resource at the 2025 revisions does not hear of it at 2026-07-28 either. */
function decideListening(policies: CompiledPolicies, question: Question): GatewayDecision {
  const { target, context, listensTo, era } = question;
  if (!listensTo) {
    const refusal = invalidParams("params.notifications.resourceSubscriptions must be an array of strings");
    return denied("the message does not say what it is about", refusal);
  }
  const method = "resources/subscribe";
  const limits: AppliedLimit[] = [];
  for (const uri of listensTo) {
    const refusal = asIfUnknown(method, uri, era);
    if (!isPlainUri(uri)) return denied("the URI can be read in more than one way", refusal);
    const { message: _said, ...decision } = evaluate(policies, operationNamed(target, method, uri), context);
    if (decision.effect !== "allow") return { ...decision, effect: "deny", refusal };
    limits.push(...(decision.limits ?? []));
  }
  const decision = decideOperation(policies, question, undefined);
  // Those of each resource hold as well as those of listening.
  return limits.length === 0 || decision.effect === "deny"
    ? decision
    : { ...decision, limits: [...limits, ...(decision.limits ?? [])] };
}

function decideOperation(
  policies: CompiledPolicies,
  question: Question,
  named: string | undefined,
): GatewayDecision {
  const { context, era, target, message } = question;
  const { method, name } = message;
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
  const operation = operationOf(question);
  const decision = evaluate(policies, operation, context);
  const { effect, policy, version, rule, reason, limits, failed, review, grant, requestable } = decision;
  const deciding = { policy, version, rule, reason, failed, grant };
  if (effect !== "deny") return { effect, ...deciding, limits, review };
  if (requestable) return { effect, ...deciding, requestable, refusal: accessRequired(target.name) };
  const refusal = couldBeAllowed(policies, operation, context)
    ? new GatewayError({ status: 200, code: RpcErrorCode.DeniedByPolicy, message: toldOf(decision) })
    : asIfUnknown(method, name, era);
  return { effect: "deny", ...deciding, refusal };
}

/** Whoever may ask for access is told how. */
function accessRequired(target: string): GatewayError {
  const message = `this needs access to ${target} for a while: ask for it with \`drawbridge request ${target} --reason "..."\`, and repeat the call when it is given`;
  return new GatewayError({ status: 200, code: RpcErrorCode.AccessRequired, message, data: { target } });
}

/** The reason names the rule; beside what its author has to say it is named as well. */
function toldOf({ message, reason, rule, policy }: Decision): string {
  return message === undefined ? reason : `${message} (rule "${rule}" of policy "${policy}")`;
}

function denied(reason: string, refusal: GatewayError): GatewayDecision {
  return { effect: "deny", reason, refusal };
}

/** What a target says of a thing that it does not have, so that a denied thing and a missing one look the same. */
function asIfUnknown(method: string, name: string | undefined, era: Era): GatewayError {
  if (method === "tools/call") return invalidParams(`Unknown tool: ${name}`);
  if (method === "prompts/get") return invalidParams(`Unknown prompt: ${name}`);
  if (method.startsWith("resources/")) {
    return new GatewayError({
      status: 200,
      code: era === "modern" ? RpcErrorCode.InvalidParams : RpcErrorCode.ResourceNotFound,
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
