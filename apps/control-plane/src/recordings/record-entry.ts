import type { EventAttributes, RecordedEvent } from "@drawbridge/recording";

/** One event and the recording it belongs to. */
export interface RecordEntry {
  /** The session's id. */
  readonly recordingId: string;
  /** Without `attributes.decision`: the decision comes beside it. */
  readonly event: RecordedEvent;
  readonly decision?: RecordedDecision | undefined;
}

/** What was decided about a message. Sealed with it; effect and rule are in clear as well, for lists. */
export interface RecordedDecision {
  readonly effect: string;
  /** Masked already. */
  readonly reason?: string | undefined;
  readonly policy?: string | undefined;
  readonly version?: number | undefined;
  readonly rule?: string | undefined;
  /** Under which access was given. */
  readonly grant?: { readonly id: string } | undefined;
}

/** What is in clear is sealed too, so that verification finds a changed list. */
export function withSealedDecision({ event, decision }: RecordEntry): RecordedEvent {
  if (decision === undefined) return event;
  const { effect, reason, policy, version, rule, grant } = decision;
  const sealed = {
    effect,
    ...(reason === undefined ? {} : { reason }),
    ...(policy === undefined ? {} : { policy }),
    ...(version === undefined ? {} : { version }),
    ...(rule === undefined ? {} : { rule }),
    ...(grant === undefined ? {} : { grant: grant.id }),
  };
  return { ...event, attributes: { ...event.attributes, decision: sealed } };
}

/** The inverse: what the columns should say. */
export function sealedDecision(attributes: EventAttributes): { effect: string | null; rule: string | null } {
  const decision: unknown = attributes["decision"];
  const { effect, rule } = (typeof decision === "object" && decision !== null ? decision : {}) as {
    effect?: unknown;
    rule?: unknown;
  };
  return {
    effect: typeof effect === "string" ? effect : null,
    rule: typeof rule === "string" ? rule : null,
  };
}
