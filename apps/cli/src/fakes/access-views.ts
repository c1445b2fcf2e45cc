import type {
  AccessRequestView,
  ApprovalDetail,
  GrantView,
  LockView,
  NotificationDeliveryView,
} from "@drawbridge/contracts";
import type { z } from "zod";

const HOUR_MS = 3_600_000;
const AT = "2026-11-22T22:31:04.120Z";
const REVIEW = {
  from: [{ group: "dba", count: 2 }],
  votes: [],
  missing: [{ group: "dba", count: 2 }],
  escalated: false,
};

/** Ids as they are made: the same beginning for all of one minute. */
export const idOf = (end: string): string => `0198c1f0-7777-7000-8000-0000${end}`;

export function approvalOf(changes: Partial<z.input<typeof ApprovalDetail>> = {}) {
  return {
    id: idOf("9f3c21aa"),
    state: "pending",
    principal: "alice",
    email: "alice@example.com",
    oauthClient: "cursor",
    sessionId: idOf("5e551000"),
    target: "shop",
    method: "tools/call",
    name: "execute_sql",
    policy: "shop-engineering",
    rule: "ask-before-writing",
    reason: "the rule ask-before-writing of shop-engineering asks for an approval",
    createdAt: new Date(Date.now() - 2 * HOUR_MS - 310_000).toISOString(),
    expiresAt: new Date(Date.now() + 3 * HOUR_MS + 630_000).toISOString(),
    requesterPresent: true,
    decidedAt: null,
    decidedBy: null,
    comment: null,
    edited: false,
    sessionUses: null,
    endedAt: null,
    endReason: null,
    review: REVIEW,
    mayDecide: true,
    preview: '{"name":"execute_sql","arguments":{"sql":"update orders set note = null where id = 7"}}',
    ...changes,
  } satisfies z.input<typeof ApprovalDetail>;
}

export function requestOf(changes: Partial<AccessRequestView> = {}): AccessRequestView {
  return {
    id: idOf("aaaa0001"),
    kind: "access",
    state: "pending",
    principal: "alice",
    email: "alice@example.com",
    target: "shop",
    tools: [],
    policy: "shop-engineering",
    reason: "order 4711 is stuck",
    ticket: null,
    durationSeconds: 7200,
    startsAt: null,
    createdAt: new Date(Date.now() - 2 * HOUR_MS - 310_000).toISOString(),
    expiresAt: new Date(Date.now() + 3 * HOUR_MS + 630_000).toISOString(),
    decidedAt: null,
    decidedBy: null,
    comment: null,
    grantId: null,
    review: REVIEW,
    ...changes,
  };
}

export function grantOf(changes: Partial<GrantView> = {}): GrantView {
  return {
    id: idOf("bbbb0001"),
    kind: "access",
    state: "active",
    principal: "alice",
    email: "alice@example.com",
    target: "shop",
    tools: ["execute_*"],
    policy: "shop-engineering",
    reason: "order 4711 is stuck",
    ticket: "INC-77",
    requestId: idOf("aaaa0001"),
    sessionId: null,
    usesLeft: null,
    startsAt: AT,
    endsAt: new Date(Date.now() + 3 * HOUR_MS + 630_000).toISOString(),
    endedAt: null,
    endedBy: null,
    endReason: null,
    reviewState: null,
    reviewedBy: null,
    reviewComment: null,
    ...changes,
  };
}

export function lockOf(changes: Partial<LockView> = {}): LockView {
  return {
    id: idOf("cccc0001"),
    kind: "principal",
    subject: "mallory",
    reason: "laptop stolen",
    createdBy: "admin",
    createdAt: AT,
    expiresAt: null,
    releasedAt: null,
    releasedBy: null,
    ...changes,
  };
}

export function deliveryOf(changes: Partial<NotificationDeliveryView> = {}): NotificationDeliveryView {
  return {
    id: idOf("dddd0001"),
    channel: "pager",
    event: "approval.requested",
    subject: idOf("9f3c21aa"),
    state: "dead",
    attempts: 8,
    lastError: "the receiver answered with 500",
    createdAt: AT,
    nextAttemptAt: null,
    deliveredAt: null,
    ...changes,
  };
}
