import { Injectable } from "@nestjs/common";
import {
  DamagedRecordingError,
  type EventAttributes,
  KeyUnwrapError,
  type RecordedEvent,
  type RecordingKey,
  unwrapKey,
} from "@drawbridge/recording";
import { RecordingChains } from "./recording-chains.js";
import { type LinkedRow, RecordingEventsRepository } from "./recording-events.repository.js";
import { openRow } from "./recording-opening.js";
import {
  type Period,
  RecordedOperationsRepository,
  type RecordedSessionRow,
} from "./recorded-operations.repository.js";
import { storedResponse } from "./stored-response.js";

const SESSIONS_AT_ONCE = 100;
/** One read of stored events: about what is held in memory, unless one event is larger. */
const PAGE = { count: 100, bytes: 1024 * 1024 };
const BEFORE_ALL = "00000000-0000-0000-0000-000000000000";

/** Whose session it is. The same object for all that is recorded of it. */
export type RecordedSession = Omit<RecordedSessionRow, "wrappedKey">;

/** What was decided when it was recorded. */
export interface PastDecision {
  readonly effect: string;
  readonly policy: string | undefined;
  readonly rule: string | undefined;
  readonly reason: string;
  /** Under which access was given. */
  readonly grant?: string | undefined;
  /** The approval with which it ran, or for which it waited. */
  readonly approval?: string | undefined;
}

/** What a session did, in order: what it asked, and how much it was answered. */
export type RecordedStep =
  | {
      readonly kind: "operation";
      readonly session: RecordedSession;
      /** False for what came before the period in the same session. */
      readonly isInPeriod: boolean;
      readonly event: RecordedEvent;
      readonly decision: PastDecision;
    }
  | { readonly kind: "result"; readonly session: RecordedSession; readonly bytes: number }
  /** Operations of the period that cannot be read. */
  | { readonly kind: "unreadable"; readonly session: RecordedSession; readonly count: number };

export interface WantedOperations {
  readonly period: Period;
  /** Requests of these methods are left out. */
  readonly exceptMethods: readonly string[];
  /** Whether to read results as well, which takes far longer. */
  readonly withResults: boolean;
}

/** What sessions have asked for in a period, read back one after the other. Whoever may know it was asked before. */
@Injectable()
export class RecordedOperations {
  constructor(
    private readonly sessions: RecordedOperationsRepository,
    private readonly stored: RecordingEventsRepository,
    private readonly chains: RecordingChains,
  ) {}

  /** How many operations `steps` will find, unless some are being recorded; part by part, to be added up. */
  async *counts({ period, exceptMethods }: WantedOperations): AsyncGenerator<number> {
    for await (const sessions of this.pages(period)) {
      const ids = sessions.map(({ id }) => id);
      yield await this.sessions.count(ids, period, exceptMethods);
    }
  }

  /** From the beginning of each session, so that what a session had done by then is known. A page in memory at a time. */
  async *steps(wanted: WantedOperations): AsyncGenerator<RecordedStep> {
    for await (const sessions of this.pages(wanted.period)) {
      for (const session of sessions) yield* this.stepsOf(session, wanted);
    }
  }

  private async *pages(period: Period): AsyncGenerator<readonly RecordedSessionRow[]> {
    for (let after = BEFORE_ALL; ;) {
      const page = await this.sessions.overlapping(period, after, SESSIONS_AT_ONCE);
      if (page.length > 0) yield page;
      const last = page.at(-1);
      if (!last || page.length < SESSIONS_AT_ONCE) return;
      after = last.id;
    }
  }

  private async *stepsOf(
    { wrappedKey, ...session }: RecordedSessionRow,
    wanted: WantedOperations,
  ): AsyncGenerator<RecordedStep> {
    const { period, exceptMethods } = wanted;
    const key = this.usableKey(session.id, wrappedKey);
    if (!key) {
      const count = await this.sessions.count([session.id], period, exceptMethods);
      if (count > 0) yield { kind: "unreadable", session, count };
      return;
    }
    const decidedAgain = await this.decidedAgain(session.id, key, period);
    for await (const row of this.rows(session.id, wanted)) {
      const step = stepOf({ row, key, session, period, decidedAgain });
      if (step) yield step;
    }
  }

  private usableKey(id: string, wrappedKey: Buffer): RecordingKey | undefined {
    try {
      return unwrapKey(this.chains.keyEncryptionKey, wrappedKey, id);
    } catch (error) {
      if (error instanceof KeyUnwrapError) return undefined;
      throw error;
    }
  }

  private async *rows(recordingId: string, wanted: WantedOperations): AsyncGenerator<LinkedRow> {
    for (let from = 0; ;) {
      const rows = await this.stored.operations(recordingId, { from, ...wanted, ...PAGE });
      for (const row of rows) yield row;
      const last = rows.at(-1);
      if (!last) return;
      from = last.index + 1;
    }
  }

  /** By exchange, the last time: a policy that changed while a request was recorded has it decided again. Seldom any. */
  private async decidedAgain(
    recordingId: string,
    key: RecordingKey,
    { to }: Period,
  ): Promise<ReadonlyMap<number, PastDecision | undefined>> {
    const decisions = new Map<number, PastDecision | undefined>();
    for (let from = 0; ;) {
      const rows = await this.stored.decisions(recordingId, { from, until: to, ...PAGE });
      for (const row of rows) {
        const event = opened({ recordingId, key, row });
        decisions.set(row.exchange, event && pastDecision(event.attributes));
      }
      const last = rows.at(-1);
      if (!last) return decisions;
      from = last.index + 1;
    }
  }
}

interface RowOfSession {
  readonly row: LinkedRow;
  readonly key: RecordingKey;
  readonly session: RecordedSession;
  readonly period: Period;
  readonly decidedAgain: ReadonlyMap<number, PastDecision | undefined>;
}

function stepOf({ row, key, session, period, decidedAgain }: RowOfSession): RecordedStep | undefined {
  const event = opened({ recordingId: session.id, key, row });
  if (row.kind === "response") return event && { kind: "result", session, bytes: resultBytes(event) };
  const decision = decidedAgain.has(row.exchange)
    ? decidedAgain.get(row.exchange)
    : event && pastDecision(event.attributes);
  const isInPeriod = row.at >= period.from;
  if (event && decision) return { kind: "operation", session, isInPeriod, event, decision };
  return isInPeriod ? { kind: "unreadable", session, count: 1 } : undefined;
}

function resultBytes({ attributes, payload }: RecordedEvent): number {
  return storedResponse(attributes)?.bytes ?? payload.length;
}

/** Undefined when it is damaged. */
function opened(row: Parameters<typeof openRow>[0]): RecordedEvent | undefined {
  try {
    return openRow(row);
  } catch (error) {
    if (error instanceof DamagedRecordingError) return undefined;
    throw error;
  }
}

function pastDecision(attributes: EventAttributes): PastDecision | undefined {
  const decision = attributes["decision"];
  if (typeof decision !== "object" || decision === null) return undefined;
  const { effect, policy, rule, reason, grant } = decision as Record<string, unknown>;
  if (typeof effect !== "string") return undefined;
  return {
    effect,
    policy: textOf(policy),
    rule: textOf(rule),
    reason: textOf(reason) ?? "",
    grant: textOf(grant),
    approval: textOf(attributes["approval"]),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
