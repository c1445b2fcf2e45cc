/**
 * How a string at a protocol position is treated: `opaque` ones must come back byte for byte and are never touched;
 * `address` ones (URIs a client repeats) lose credentials but no personal data, without which they would not work.
 */
export type FieldTreatment = "opaque" | "address";

/** A position in a JSON-RPC message of MCP. Anything below a position that is not here is user data. */
export interface ProtocolPosition {
  readonly treatment?: FieldTreatment;
  readonly members?: ReadonlyMap<string, ProtocolPosition>;
  /** Members whose name starts with `io.modelcontextprotocol/`. */
  readonly reserved?: ProtocolPosition;
  /** Array items. */
  readonly items?: ProtocolPosition;
}

const RESERVED_PREFIX = "io.modelcontextprotocol/";

const opaque: ProtocolPosition = { treatment: "opaque" };
const address: ProtocolPosition = { treatment: "address" };

const position = (members: Record<string, ProtocolPosition>): ProtocolPosition => ({
  members: new Map(Object.entries(members)),
});
const list = (items: ProtocolPosition): ProtocolPosition => ({ items });

const meta: ProtocolPosition = {
  members: new Map([["progressToken", opaque]]),
  reserved: { ...opaque, ...position({ taskId: opaque }) },
};
const task = position({ taskId: opaque, status: opaque });
const contents = position({ uri: address, mimeType: opaque, _meta: meta });
const contentBlock = position({
  type: opaque,
  mimeType: opaque,
  uri: address,
  resource: contents,
  _meta: meta,
});
const definition = position({
  name: opaque,
  uri: address,
  uriTemplate: address,
  mimeType: opaque,
  _meta: meta,
});

const params = position({
  _meta: meta,
  name: opaque,
  uri: address,
  cursor: opaque,
  protocolVersion: opaque,
  progressToken: opaque,
  requestId: opaque,
  requestState: opaque,
  taskId: opaque,
  level: opaque,
  ref: position({ type: opaque, name: opaque, uri: address }),
  task,
});

const result = position({
  _meta: meta,
  resultType: opaque,
  requestState: opaque,
  nextCursor: opaque,
  protocolVersion: opaque,
  taskId: opaque,
  task,
  tasks: list(task),
  content: list(contentBlock),
  contents: list(contents),
  tools: list(definition),
  prompts: list(definition),
  resources: list(definition),
  resourceTemplates: list(definition),
});

/** The root of a message. A batch is an array of them. */
const message = position({ jsonrpc: opaque, id: opaque, method: opaque, params, result });

export const MESSAGE_ROOT: ProtocolPosition = { ...message, items: message };

/** The position of a member, or undefined for user data. */
export function memberPosition(
  parent: ProtocolPosition | undefined,
  name: string,
): ProtocolPosition | undefined {
  if (!parent) return undefined;
  const known = parent.members?.get(name);
  if (known) return known;
  return parent.reserved && name.startsWith(RESERVED_PREFIX) ? parent.reserved : undefined;
}
