import type { EventKind } from "@drawbridge/contracts";
import type { ApprovalPreview } from "../approvals/index.js";
import type { NotificationDelivery } from "./notification-deliveries.repository.js";

/** What a channel of any kind says of an event. All of it may hold anything: each kind escapes it as it must. */
export interface Notice {
  /** The same for each attempt. */
  readonly id: string;
  readonly kind: string;
  readonly subject: string;
  readonly at: string;
  readonly title: string;
  readonly facts: readonly (readonly [label: string, value: string])[];
  readonly preview: string | undefined;
  /** Where people decide about it. */
  readonly link: string | undefined;
  /** Of an approval that waits. */
  readonly open: boolean;
  readonly data: NotificationDelivery["event"]["data"];
}

export const TEST_KIND = "test";
const MAX_FACT = 500;
/** Operations may be megabytes; mail servers and chats take less, and nobody reads more here. */
const MAX_PREVIEW = 32_000;

const TITLES: Readonly<Record<EventKind | typeof TEST_KIND, string>> = {
  "approval.requested": "An operation waits for approval",
  "approval.voted": "Somebody voted on an operation",
  "approval.escalated": "An operation still waits for approval and was escalated",
  "approval.approved": "An operation was approved",
  "approval.denied": "An operation was denied",
  "approval.expired": "An operation was not approved in time",
  "approval.cancelled": "An operation no longer waits for approval",
  "approval.revoked": "The approval of an operation was withdrawn",
  "approval.consumed": "An approved operation was run",
  "access_request.created": "Somebody asks for access",
  "access_request.voted": "Somebody voted on an access request",
  "access_request.escalated": "An access request still waits and was escalated",
  "access_request.approved": "An access request was approved",
  "access_request.denied": "An access request was denied",
  "access_request.expired": "An access request was not decided in time",
  "access_request.withdrawn": "An access request was withdrawn",
  "grant.started": "Access was given",
  "grant.ended": "Access has ended",
  "grant.returned": "Access was given back",
  "grant.revoked": "Access was revoked",
  "break_glass.used": "BREAK-GLASS ACCESS WAS TAKEN",
  "break_glass.reviewed": "Break-glass access was reviewed",
  "session.opened": "A session was opened",
  "session.closed": "A session was closed",
  "agent.connected": "An agent is connected",
  "agent.disconnected": "An agent is no longer connected",
  "agent.quarantined": "AN AGENT IS IN QUARANTINE",
  "lock.set": "A lock was set",
  "lock.released": "A lock was released",
  [TEST_KIND]: "This is a test of the notification channel",
};

/** Whether an approval of this event can still be decided: others only tell how it ended. */
const WAITING = new Set(["approval.requested", "approval.voted", "approval.escalated"]);

export function noticeOf(
  delivery: Pick<NotificationDelivery, "id" | "kind" | "subject" | "event">,
  approval: ApprovalPreview | undefined,
  publicUrl: string,
): Notice {
  const { id, kind, subject, event } = delivery;
  const isApproval = kind.startsWith("approval.");
  const known = approval?.email === undefined ? {} : { email: approval.email };
  return {
    id,
    kind,
    subject,
    at: event.at,
    title: TITLES[kind as EventKind] ?? kind,
    facts: factsOf({ ...event.data, ...known }),
    preview: approval && shortened(inOneDirection(approval.preview), MAX_PREVIEW),
    link: isApproval ? `${publicUrl}/approvals/${encodeURIComponent(subject)}` : undefined,
    open: WAITING.has(kind) && approval?.state === "pending",
    data: event.data,
  };
}

// What people decide by comes first: not every channel shows all of it, and the database keeps no order.
const FIRST = ["principal", "email", "target", "name", "reason", "ticket", "comment", "by", "expiresAt"];

function factsOf(data: NotificationDelivery["event"]["data"]): [string, string][] {
  const rank = (key: string) => (FIRST.includes(key) ? FIRST.indexOf(key) : FIRST.length);
  return Object.entries(data)
    .filter(([, value]) => value !== null)
    .toSorted(([one], [other]) => rank(one) - rank(other))
    .map(([key, value]) => [labelOf(key), shortened(inOneDirection(String(value)), MAX_FACT)]);
}

const DIRECTIONS = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/g;

/** What turns the direction of writing makes a text read otherwise than it runs: it is shown as what it is. */
function inOneDirection(text: string): string {
  return text.replaceAll(
    DIRECTIONS,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** expiresAt: Expires at. */
function labelOf(key: string): string {
  const words = key
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .replaceAll(/[_-]/g, " ")
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** At most so many characters, none of them cut in two. */
export function shortened(text: string, most: number): string {
  return text.length <= most
    ? text
    : `${text
        .slice(0, most - 1)
        .toWellFormed()
        .replace(/\uFFFD$/, "")}…`;
}
