import type { EventAttributes, RecordedEvent } from "@drawbridge/recording";

/** One event and the recording it belongs to. */
export interface RecordEntry {
  /** The session's id. */
  readonly recordingId: string;
  readonly event: RecordedEvent;
  /** The effect and the rule that decided, in clear, for lists; sealed as well, see `sealedDecision`. */
  readonly decision?: string | undefined;
  readonly rule?: string | undefined;
}

/** What is in clear is sealed too, so that verification finds a changed list: `attributes.decision` is {effect, rule, …}. */
export function withSealedDecision({ event, decision: effect, rule }: RecordEntry): RecordedEvent {
  if (effect === undefined || event.attributes["decision"] !== undefined) return event;
  const decision = { effect, ...(rule === undefined ? {} : { rule }) };
  return { ...event, attributes: { ...event.attributes, decision } };
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
