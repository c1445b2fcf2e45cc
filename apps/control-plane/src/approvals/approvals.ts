import type { ApprovalState } from "@drawbridge/contracts";
import type { McpRequest } from "@drawbridge/mcp";
import type { Reviewers, ReviewTerms } from "@drawbridge/policy";
import type { Principal } from "../identity/index.js";

/**
 * Who may come back for an operation: the same principal through the same client in the same session, nobody else. A task is
 * polled wherever its client ends up: there the session may be another one (each replica has its own of 2026-07-28).
 */
export interface ApprovalOwner {
  readonly sessionId: string;
  readonly principal: string;
  readonly oauthClient: string;
}

/** An operation that needs an approval, as the gateway found it. */
export interface OperationToHold {
  readonly sessionId: string;
  readonly exchange: number;
  readonly principal: Pick<Principal, "id" | "email" | "groups" | "identities" | "client">;
  /** What the client program says it is called. */
  readonly clientName: string | undefined;
  readonly target: { readonly id: string; readonly name: string };
  readonly message: McpRequest;
  readonly parameterHeaders: Readonly<Record<string, string>>;
  /** Of the accepted definition of a tool. */
  readonly toolDigest: Uint8Array | undefined;
  /** Masked JSON of the message's parameters. */
  readonly preview: Uint8Array;
  readonly decision: {
    readonly policy: string;
    readonly version: number;
    readonly rule: string;
    readonly reason: string;
    readonly review: ReviewTerms;
  };
  /** The id of the task by which the caller waits, where it does. */
  readonly taskId?: string | undefined;
}

/** How a held operation stands. */
export interface HeldApproval {
  readonly id: string;
  readonly state: ApprovalState;
  readonly sessionId: string;
  /** The leg that waited last, or that ran it. */
  readonly exchange: number;
  readonly expiresAt: Date;
  /** For people: where it is decided. */
  readonly url: string;
  /** Who else must approve. */
  readonly missing: readonly Reviewers[];
  readonly decidedBy: string | undefined;
  readonly comment: string | undefined;
  readonly edited: boolean;
  /** Why it ended, where nobody decided. */
  readonly endReason: string | undefined;
  readonly createdAt: Date;
  /** When it came to be in its state. */
  readonly stateSince: Date;
}

/** What was approved, to be sent. */
export interface ApprovedOperation {
  /** The whole JSON-RPC request as the client sent it first, with the arguments that an approver put in their place. */
  readonly message: Uint8Array;
  readonly parameterHeaders: Readonly<Record<string, string>>;
  readonly toolDigest: Uint8Array | undefined;
  /** JSON pointers to the arguments that an approver changed; empty when nobody did. */
  readonly changed: readonly string[];
}

/** What the gateway says of an operation with other arguments: the one function that decides, asked again. */
export type JudgeEdit = (edit: {
  readonly owner: ApprovalOwner;
  readonly principal: OperationToHold["principal"];
  readonly clientName: string | undefined;
  readonly targetId: string;
  readonly targetName: string;
  readonly message: McpRequest;
}) => Promise<
  | { readonly effect: "allow" }
  | { readonly effect: "require_approval"; readonly review: ReviewTerms }
  | { readonly effect: "deny"; readonly reason: string }
>;

/** What became of the attempt to take an approval for its one run. moved: the authorization epoch has; decide again. */
export type Consumed = "consumed" | "moved" | "gone";
