import { timingSafeEqual } from "node:crypto";
import { Injectable } from "@nestjs/common";
import {
  type JsonView,
  jsonView,
  type McpRequest,
  parseMessage,
  removeMember,
  RpcErrorCode,
  stringInParams,
} from "@drawbridge/mcp";
import { z } from "zod";
import { Approvals } from "../../approvals/index.js";
import { Clock } from "../../platform/clock.js";
import { KeyEncryption } from "../../platform/key-encryption.js";
import { GatewayError } from "../gateway-error.js";
import type { Incoming } from "../traffic/incoming.js";

// By this ours is told from a target's, which is passed on as it came.
const PREFIX = "drawbridge.1.";
const PURPOSE = "request-state";
const MEMBER = "requestState";
const ANSWERS = "inputResponses";
// Ours are a few hundred characters.
const MAX_LENGTH = 4_096;
// Of what has ended, or was given more time, who comes back late is still told.
const TOLD_WITHIN_MS = 3_600_000;

const Sealed = z.strictObject({
  kind: z.enum(["approval", "access", "reason"]),
  id: z.string(),
  session: z.string(),
  principal: z.string(),
  client: z.string(),
  digest: z.string(),
  toolDigest: z.string().optional(),
  leg: z.int().min(1),
  expiresAt: z.number(),
});
type Sealed = z.infer<typeof Sealed>;

/** What a request waits for that comes back with our requestState. */
export interface ComesBack {
  /** reason: nothing yet. Its client was asked why it wants access, and `answers` is what it says. */
  readonly kind: "approval" | "access" | "reason";
  /** Of reason: none. */
  readonly id: string;
  /** Of the leg that was told to come back: 1 for the first. */
  readonly leg: number;
  /** Of the tool as it was accepted when the first one came. */
  readonly toolDigest?: Uint8Array | undefined;
  /** `inputResponses` of the request, which answer us and not the target. */
  readonly answers?: JsonView | undefined;
}

/** A request as its target is to see it: without what is ours. */
export interface Unwrapped {
  readonly incoming: Incoming<McpRequest>;
  /** Absent for one that does not come back with a requestState of ours. */
  readonly comesBack?: ComesBack;
  /** It has one that cannot be its own. */
  readonly refusal?: GatewayError;
}

/**
 * The requestState with which a client of 2026-07-28 comes back for what waits for people. The specification has it treated
 * as what an attacker sends: it is sealed, and good for one session, principal, client and operation.
 */
@Injectable()
export class RequestStates {
  constructor(
    private readonly keys: KeyEncryption,
    private readonly approvals: Approvals,
    private readonly clock: Clock,
  ) {}

  /** For the next leg of the same request. `toolDigest`: of the tool as it was accepted when the first one came. */
  seal(
    incoming: Incoming<McpRequest>,
    { kind, id, leg }: ComesBack,
    about: { readonly expiresAt: Date; readonly toolDigest: Uint8Array | undefined },
  ): string {
    const { session } = incoming;
    const { toolDigest } = about;
    const sealed: Sealed = {
      kind,
      id,
      session: session.id,
      principal: session.principal,
      client: session.oauthClient,
      digest: this.digestOf(incoming, toolDigest),
      ...(toolDigest ? { toolDigest: Buffer.from(toolDigest).toString("base64") } : {}),
      leg,
      expiresAt: about.expiresAt.getTime() + TOLD_WITHIN_MS,
    };
    const bytes = this.keys.seal(PURPOSE, session.id, Buffer.from(JSON.stringify(sealed)));
    return PREFIX + bytes.toString("base64url");
  }

  /** Takes a requestState of ours off the request, before anything else is made of it. */
  unwrap(incoming: Incoming<McpRequest>): Unwrapped {
    const { session, message } = incoming;
    const text = session.era === "modern" ? stringInParams(message, MEMBER) : undefined;
    if (!text?.startsWith(PREFIX)) return { incoming };
    const sealed = this.open(session.id, text);
    const without = removed(message, MEMBER);
    const bare = sealed?.kind === "reason" ? removed(without, ANSWERS) : without;
    const unwrapped = { ...incoming, message: bare };
    if (!sealed || !this.isOf(unwrapped, sealed)) return { incoming: unwrapped, refusal: notItsOwn() };
    const { kind, id, leg } = sealed;
    const toolDigest = toolDigestOf(sealed);
    if (kind !== "reason") return { incoming: unwrapped, comesBack: { kind, id, leg, toolDigest } };
    return { incoming: unwrapped, comesBack: { kind, id, leg, answers: answersIn(message) } };
  }

  private open(sessionId: string, text: string): Sealed | undefined {
    if (text.length > MAX_LENGTH) return undefined;
    try {
      const bytes = Buffer.from(text.slice(PREFIX.length), "base64url");
      return Sealed.parse(JSON.parse(this.keys.open(PURPOSE, sessionId, bytes).toString("utf8")));
    } catch {
      return undefined;
    }
  }

  private isOf(incoming: Incoming<McpRequest>, sealed: Sealed): boolean {
    const { session } = incoming;
    return (
      sealed.session === session.id &&
      sealed.principal === session.principal &&
      sealed.client === session.oauthClient &&
      sealed.expiresAt > this.clock.now().getTime() &&
      isSame(sealed.digest, this.digestOf(incoming, toolDigestOf(sealed)))
    );
  }

  private digestOf(
    { session, principal, message }: Incoming<McpRequest>,
    toolDigest: Uint8Array | undefined,
  ): string {
    const target = { id: session.targetId, name: session.target };
    return Buffer.from(this.approvals.digestOf({ target, message, toolDigest, principal })).toString(
      "base64",
    );
  }
}

function removed(message: McpRequest, key: string): McpRequest {
  return parseMessage(removeMember(message, "params", key)) as McpRequest;
}

function answersIn({ bytes, ranges }: McpRequest): JsonView | undefined {
  if (!ranges.params) return undefined;
  const [start, end] = ranges.params;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", start, end);
  const params = jsonView(text) as { readonly [key: string]: JsonView };
  return Object.hasOwn(params, ANSWERS) ? params[ANSWERS] : undefined;
}

function toolDigestOf({ toolDigest }: Sealed): Uint8Array | undefined {
  return toolDigest === undefined ? undefined : Buffer.from(toolDigest, "base64");
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function notItsOwn(): GatewayError {
  const message =
    "requestState is not of this request, or has expired: repeat the request with the same parameters, or send it anew without requestState";
  return new GatewayError({ status: 200, code: RpcErrorCode.InvalidParams, message });
}
