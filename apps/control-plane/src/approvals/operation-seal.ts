import { createHmac } from "node:crypto";
import { Injectable } from "@nestjs/common";
import { canonicalJson, jsonView, type JsonView, type McpRequest } from "@drawbridge/mcp";
import { z } from "zod";
import { KeyEncryption } from "../platform/key-encryption.js";
import type { OperationToHold } from "./approvals.js";

/** What the digest of an operation is made from. */
export type DigestedOperation = Pick<OperationToHold, "target" | "message" | "toolDigest" | "principal">;

export type RepeatableOperation = DigestedOperation & Pick<OperationToHold, "parameterHeaders">;

// Another one with each request, or about the client and not the call.
const META_OF_ONE_REQUEST = [
  "progressToken",
  "traceparent",
  "tracestate",
  "baggage",
  "claudecode/toolUseId",
  "io.modelcontextprotocol/clientInfo",
  "io.modelcontextprotocol/logLevel",
];

const Requester = z.strictObject({
  id: z.string(),
  email: z.string().optional(),
  groups: z.array(z.string()),
  identities: z.array(z.string()),
  client: z.string(),
});

const Header = z.strictObject({
  parameterHeaders: z.record(z.string(), z.string()),
  toolDigest: z.base64().optional(),
  principal: Requester,
  clientName: z.string().optional(),
  changed: z.array(z.string()),
});

/** What a row keeps of an operation while somebody may still approve it or it may still run. */
export interface SealedOperation {
  readonly message: Uint8Array;
  readonly parameterHeaders: Readonly<Record<string, string>>;
  readonly toolDigest: Uint8Array | undefined;
  readonly principal: OperationToHold["principal"];
  readonly clientName: string | undefined;
  /** JSON pointers to the arguments that an approver changed. */
  readonly changed: readonly string[];
}

const LENGTH_BYTES = 4;

/** Digests and sealed copies of operations: neither tells anything to whoever has the database alone. */
@Injectable()
export class OperationSeal {
  readonly #digestKey: Buffer;
  readonly #taskKey: Buffer;

  constructor(private readonly keys: KeyEncryption) {
    this.#digestKey = keys.derive("operation-digest");
    this.#taskKey = keys.derive("approval-task");
  }

  /** HMAC-SHA-256, see Approvals.digestOf. */
  digestOf(operation: DigestedOperation): Uint8Array<ArrayBuffer> {
    return this.digest(partsOf(operation));
  }

  /**
   * As digestOf, of an operation that may run again as it comes then, and not as it was sealed: with its headers and all that
   * `_meta` says to the target, of which nobody knows what it means there.
   */
  repeatDigestOf(operation: RepeatableOperation): Uint8Array<ArrayBuffer> {
    const headers = canonicalJson(operation.parameterHeaders);
    return this.digest([...partsOf(operation), "again", headers, metaText(operation.message)]);
  }

  private digest(parts: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
    const digest = createHmac("sha256", this.#digestKey);
    for (const part of parts) {
      const bytes = Buffer.from(part);
      digest.update(lengthOf(bytes)).update(bytes);
    }
    return Uint8Array.from(digest.digest());
  }

  taskHash(taskId: string): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(createHmac("sha256", this.#taskKey).update(taskId).digest());
  }

  seal(approvalId: string, operation: SealedOperation): Uint8Array<ArrayBuffer> {
    const { message, toolDigest, ...rest } = operation;
    const header = Buffer.from(
      JSON.stringify({
        ...rest,
        ...(toolDigest ? { toolDigest: Buffer.from(toolDigest).toString("base64") } : {}),
      }),
    );
    const plain = Buffer.concat([lengthOf(header), header, message]);
    return Uint8Array.from(this.keys.seal("approval", approvalId, plain));
  }

  open(approvalId: string, sealed: Uint8Array): SealedOperation {
    const plain = this.keys.open("approval", approvalId, sealed);
    const end = LENGTH_BYTES + plain.readUInt32BE(0);
    const header = Header.parse(JSON.parse(plain.toString("utf8", LENGTH_BYTES, end)));
    return {
      ...header,
      message: plain.subarray(end),
      toolDigest: header.toolDigest === undefined ? undefined : Buffer.from(header.toolDigest, "base64"),
      principal: { ...header.principal, email: header.principal.email },
      clientName: header.clientName,
    };
  }
}

function lengthOf(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(bytes.length);
  return length;
}

function partsOf({ target, message, toolDigest, principal }: DigestedOperation) {
  return [
    target.id,
    message.method,
    JSON.stringify(message.name ?? null),
    paramsText(message),
    toolDigest ?? "",
    principal.id,
    principal.client,
    JSON.stringify(principal.identities.toSorted()),
  ];
}

/** What is asked for, and not how its answer is to be delivered. What ties it to a leg of ours is taken off before. */
function paramsText(message: McpRequest): string {
  return message.ranges.params === undefined ? "" : without(objectAt(message, "params"), ["_meta"]);
}

function metaText(message: McpRequest): string {
  return message.ranges.meta === undefined ? "{}" : without(objectAt(message, "meta"), META_OF_ONE_REQUEST);
}

function objectAt({ bytes, ranges }: McpRequest, place: "params" | "meta"): JsonView {
  const { buffer, byteOffset, byteLength } = bytes;
  return jsonView(Buffer.from(buffer, byteOffset, byteLength).toString("utf8", ...(ranges[place] ?? [0, 0])));
}

function without(value: JsonView, left: readonly string[]): string {
  if (typeof value !== "object" || value === null) return canonicalJson(value);
  return canonicalJson(Object.fromEntries(Object.entries(value).filter(([key]) => !left.includes(key))));
}
