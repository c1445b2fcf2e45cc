import { Inject, Injectable } from "@nestjs/common";
import type { ApproveOperation } from "@drawbridge/contracts";
import { createMasker, UnmaskableError } from "@drawbridge/masking";
import {
  type ArgumentEdit,
  ArgumentEditError,
  argumentsView,
  decodeHeaderValue,
  editArguments,
  JsonNumber,
  type JsonView,
  MalformedMessageError,
  type McpRequest,
  parseMessage,
} from "@drawbridge/mcp";
import { missingReviewers, type Reviewers } from "@drawbridge/policy";
import { CONFIG, type Config } from "../config.js";
import type { Principal } from "../identity/index.js";
import { DomainError } from "../platform/errors.js";
import type { JudgeEdit } from "./approvals.js";
import { ApprovalsRepository, type Edited, type StoredApproval } from "./approvals.repository.js";
import { OperationSeal, type SealedOperation } from "./operation-seal.js";

type Edits = NonNullable<ApproveOperation["edits"]>;

/** Other arguments for a held operation: made, judged, and sealed again. */
@Injectable()
export class ArgumentEdits {
  private readonly masker = createMasker();
  private judge: JudgeEdit | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly repository: ApprovalsRepository,
    private readonly seal: OperationSeal,
  ) {}

  /** Who decides about operations decides about edited ones, too. */
  setJudge(judge: JudgeEdit): void {
    this.judge = judge;
  }

  /**
   * What would run after these edits. Undefined when they change nothing of what would run without them.
   * @throws DomainError edit_invalid, and already_decided when it has ended
   */
  async prepare(approval: StoredApproval, edits: Edits, editor: Principal): Promise<Edited | undefined> {
    const sealed = await this.repository.sealed(approval.id);
    if (!sealed) throw new DomainError("already_decided", "the operation waits no more");
    const operation = this.seal.open(approval.id, sealed);
    const message = this.edited(operation, edits);
    const digest = this.seal.digestOf({
      target: { id: approval.targetId, name: approval.targetName },
      message,
      toolDigest: operation.toolDigest,
      principal: operation.principal,
    });
    if (Buffer.compare(digest, approval.approvedDigest ?? approval.requestedDigest) === 0) return undefined;
    await this.judged(approval, { operation, message, editor });
    const changed = Object.keys(edits);
    return {
      digest,
      sealed: this.seal.seal(approval.id, { ...operation, message: message.bytes, changed }),
      preview: this.preview(message),
    };
  }

  private edited(operation: SealedOperation, edits: Edits): McpRequest {
    const original = requestIn(operation.message);
    checkHeaders(operation, original, Object.keys(edits));
    try {
      const bytes = editArguments(original, Object.entries(edits).map(asEdit));
      if (bytes.length > this.config.maxMessageBytes)
        throw refusal("the edited operation is too large: make it smaller");
      return requestIn(bytes);
    } catch (error) {
      if (error instanceof ArgumentEditError) throw refusal(error.message, error.pointer);
      if (error instanceof MalformedMessageError)
        throw refusal(`the edited operation cannot be sent: ${error.message}`);
      throw error;
    }
  }

  /** Refused, unless policy allows it or asks for no others than who decides about it here. */
  private async judged(
    approval: StoredApproval,
    { operation, message, editor }: { operation: SealedOperation; message: McpRequest; editor: Principal },
  ): Promise<void> {
    if (!this.judge) throw new Error("nobody judges edited operations: call setJudge at start");
    const { sessionId, principal, oauthClient, targetId, targetName, review } = approval;
    const judged = await this.judge({
      owner: { sessionId, principal, oauthClient },
      principal: operation.principal,
      clientName: operation.clientName,
      targetId,
      targetName,
      message,
    });
    if (judged.effect === "allow") return;
    if (judged.effect === "deny") throw refusal(`policy denies the edited operation: ${judged.reason}`);
    const missing = missingReviewers(judged.review.from, [editor]);
    if (missing.length === 0 || isSameReview(judged.review.from, review.from)) return;
    throw refusal(
      `the edited operation needs the approval of others: ${named(missing)}; deny it and let it be asked for`,
    );
  }

  private preview({ bytes, ranges }: McpRequest): Uint8Array<ArrayBuffer> {
    try {
      const [start, end] = ranges.params ?? [0, 0];
      return Uint8Array.from(this.masker.maskMessage(bytes.subarray(start, end)).payload);
    } catch (error) {
      if (error instanceof UnmaskableError)
        throw refusal(`the edited operation cannot be shown: ${error.message}`);
      throw error;
    }
  }
}

function refusal(message: string, pointer?: string): DomainError {
  return new DomainError("edit_invalid", message, pointer === undefined ? [] : [{ path: pointer, message }]);
}

/** What was a request when it was sealed still is one; of what was edited nobody knows before. @throws MalformedMessageError */
function requestIn(bytes: Uint8Array): McpRequest {
  const message = parseMessage(bytes);
  if (message.kind !== "request") throw new Error("a held operation is no request");
  return message;
}

function asEdit([pointer, value]: [string, Edits[string]]): ArgumentEdit {
  checkNumbers(value, pointer);
  return { pointer, text: JSON.stringify(value) };
}

/** Of a larger number nobody can tell any more how it was written: it was rounded when the request was read. */
function checkNumbers(value: Edits[string], pointer: string): void {
  if (typeof value === "number" && !(Math.abs(value) <= Number.MAX_SAFE_INTEGER))
    throw refusal(
      `numbers above ${Number.MAX_SAFE_INTEGER} cannot be put in exactly: deny it and say which`,
      pointer,
    );
  if (typeof value !== "object" || value === null) return;
  for (const each of Object.values(value)) checkNumbers(each, pointer);
}

/** A client repeats some arguments in Mcp-Param-* headers, and the target refuses what differs. */
function checkHeaders(
  { parameterHeaders }: SealedOperation,
  request: McpRequest,
  pointers: readonly string[],
): void {
  const repeated = new Set(Object.values(parameterHeaders).map((value) => decodeHeaderValue(value) ?? value));
  if (repeated.size === 0) return;
  const args = argumentsView(request);
  for (const pointer of pointers)
    if (scalarsOf(valueAt(args, pointer)).some((text) => repeated.has(text)))
      throw refusal(
        "the client repeats this argument in a header, which cannot be edited: deny it and say why",
        pointer,
      );
}

function valueAt(args: JsonView | undefined, pointer: string): JsonView | undefined {
  let value = args;
  for (const token of pointer.slice(1).split("/")) {
    if (typeof value !== "object" || value === null || value instanceof JsonNumber) return undefined;
    const key = token.replaceAll("~1", "/").replaceAll("~0", "~");
    value = Object.hasOwn(value, key) ? (value as Readonly<Record<string, JsonView>>)[key] : undefined;
  }
  return value;
}

function scalarsOf(value: JsonView | undefined): readonly string[] {
  if (value instanceof JsonNumber) return [value.text];
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(scalarsOf);
  return value === undefined || value === null ? [] : [String(value)];
}

function isSameReview(one: readonly Reviewers[], other: readonly Reviewers[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ group, count }) => other.some((each) => each.group === group && each.count === count))
  );
}

function named(reviewers: readonly Reviewers[]): string {
  return reviewers.map(({ group, count }) => `${count} of ${group}`).join(", ");
}
