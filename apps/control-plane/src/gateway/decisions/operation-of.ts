import { argumentsView, type McpNotification, type McpRequest } from "@drawbridge/mcp";
import type { Operation } from "@drawbridge/policy";
import { operationFrom, type OperationParts } from "../../policies/index.js";

type Message = McpRequest | McpNotification;
type LiveTarget = OperationParts["target"];

/** Of a message, whatever becomes of policies and target: what it says, and the facts of its commands. */
interface Understood {
  readonly operation: Operation;
  readonly commands: LiveTarget["document"]["spec"]["commands"];
}

const understood = new WeakMap<Message, Understood>();

/** What is asked: a message of a client, at a target as it is now. */
export interface Asked {
  readonly target: LiveTarget;
  readonly message: Message;
  readonly tool?: Operation["tool"];
}

/**
 * The one place where a message of a client becomes an operation. Its arguments are read from the very bytes that are
 * sent, when the first condition asks for them; they are parsed, and its commands judged, once, however often the message
 * is decided about again.
 */
export function operationOf({ target, message, tool }: Asked): Operation {
  const { commands } = target.document.spec;
  const known = understood.get(message);
  if (known && isSame(known.commands, commands)) return { ...known.operation, target, tool };
  const { method, name } = message;
  const args = known?.operation.arguments ?? once(() => argumentsView(message) ?? {});
  const operation = operationFrom({ target, method, name, arguments: args, tool });
  understood.set(message, { operation, commands });
  return operation;
}

/** What has no arguments that anybody could judge: what a target asks of its client, and what a list is about. */
export function operationNamed(target: LiveTarget, method: string, name?: string): Operation {
  return operationFrom({ target, method, name, arguments: () => ({}) });
}

/** After any change the target is read again, and nearly always says the same. */
function isSame(commands: Understood["commands"], others: Understood["commands"]): boolean {
  return commands === others || JSON.stringify(commands) === JSON.stringify(others);
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}
