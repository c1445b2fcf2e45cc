import type { ApprovalDetail, ApprovalView } from "@drawbridge/contracts";
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from "diff";
import type { z } from "zod";
import type { LiveEvent } from "./event-stream.js";
import { indentedJson } from "./indented-json.js";
import { type Cell, recordLines } from "./output.js";
import { reviewersText } from "./review-text.js";
import { shortId } from "./short-ids.js";
import { block, oneLine } from "./terminal-text.js";
import { age, left, time, timeOfDay } from "./times.js";

export type Approval = z.infer<typeof ApprovalView>;
export type ApprovalWithPreview = z.infer<typeof ApprovalDetail>;

/** The tool; of anything else the method too. */
export function operationOf({ method, name }: Pick<Approval, "method" | "name">): string {
  if (name === null) return method;
  return method === "tools/call" ? name : `${method} ${name}`;
}

/** Everything that somebody who decides has to know, as lines that are safe on a terminal. */
export function approvalLines(approval: ApprovalWithPreview): string[] {
  return [...recordLines(facts(approval)), "", "what would run (masked):", ...previewLines(approval)];
}

function facts(approval: Approval): Record<string, Cell> {
  const { review, createdAt } = approval;
  return {
    approval: approval.id,
    state: approval.state,
    who: whoOf(approval),
    client: approval.oauthClient,
    session: approval.sessionId,
    target: approval.target,
    operation: operationOf(approval),
    rule: `${approval.policy}/${approval.rule}`,
    why: approval.reason,
    asked: `${time(createdAt)} (${age(createdAt)} ago)`,
    ...(isOpen(approval) ? openFacts(approval) : endFacts(approval)),
    "asked for": reviewersText(review.from),
    ...(review.escalated ? { escalated: true } : {}),
    ...decisionFacts(approval),
  };
}

function openFacts({ expiresAt, requesterPresent, review, mayDecide }: Approval): Record<string, Cell> {
  return {
    expires: `${time(expiresAt)} (in ${left(expiresAt)})`,
    requester: requesterPresent ? "waiting" : "has left: it cannot run any more",
    "still needed": reviewersText(review.missing) ?? "nobody",
    "you may decide": mayDecide,
  };
}

function endFacts({ endedAt, endReason }: Approval): Record<string, Cell> {
  return { ended: time(endedAt), "end reason": endReason };
}

function decisionFacts({
  decidedBy,
  decidedAt,
  comment,
  edited,
  sessionUses,
}: Approval): Record<string, Cell> {
  if (decidedBy === null) return {};
  return {
    "decided by": decidedBy,
    "decided at": time(decidedAt),
    comment,
    edited,
    ...(sessionUses === null ? {} : { "uses in the session": sessionUses }),
  };
}

/** Whoever wrote the arguments chose these characters: indented, none of the lines can pass for one of ours. */
function previewLines({ preview, editedPreview }: ApprovalWithPreview): string[] {
  const asked = indentedJson(preview);
  const lines = indented(asked);
  if (editedPreview === undefined) return lines;
  const difference = createTwoFilesPatch(
    "as asked",
    "as edited",
    asked,
    indentedJson(editedPreview),
    "",
    "",
    {
      headerOptions: FILE_HEADERS_ONLY,
    },
  );
  return [...lines, "", "edited by who approved it:", ...indented(difference)];
}

function indented(text: string): string[] {
  return block(text.trimEnd())
    .split("\n")
    .map((line) => `  ${line}`);
}

export function whoOf({ email, principal }: { email: string | null; principal: string }): string {
  return email ?? principal;
}

export function isOpen({ state }: Pick<Approval, "state">): boolean {
  return state === "pending" || state === "approved";
}

/** How to name it in one line of a message. */
export function approvalName({ id, target, method, name }: Approval): string {
  return oneLine(`${shortId(id)} (${operationOf({ method, name })} at ${target})`);
}

/** What became of an operation, and who said so. */
export function approvalEventLine({ at, kind, subject, data }: LiveEvent): string {
  const operation = textOf(data["name"]) ?? textOf(data["method"]) ?? "an operation";
  const about = `${shortId(subject)} (${operation} at ${textOf(data["target"]) ?? "a target"})`;
  const comment = textOf(data["comment"]);
  const why = comment === undefined ? "" : `: ${comment}`;
  return oneLine(`${timeOfDay(at).slice(0, 8)}  ${about} ${happened(kind, data)}${why}`);
}

function happened(kind: LiveEvent["kind"], data: LiveEvent["data"]): string {
  if (kind === "approval.consumed") return "was sent to its target";
  const by = textOf(data["by"]);
  if (kind === "approval.voted")
    return `has a vote (${textOf(data["verdict"]) ?? "?"}) of ${by ?? "somebody"}`;
  const what = kind.replace("approval.", "is ");
  return by === undefined || by === "system" ? what : `${what} by ${by}`;
}

const textOf = (value: LiveEvent["data"][string] | undefined): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;
