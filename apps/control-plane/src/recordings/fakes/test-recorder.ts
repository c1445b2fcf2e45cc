import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { RecordedEvent } from "@drawbridge/recording";
import { HeldClock, type TestPlatform } from "../../platform/fakes/test-platform.js";
import { RecordingBatches } from "../recording-batches.js";
import { RecordingChains } from "../recording-chains.js";
import { RecordingEventsRepository } from "../recording-events.repository.js";
import { RecordingWriter } from "../recording-writer.js";
import { RecordingsRepository } from "../recordings.repository.js";

/** A writer as the module makes it, with the parts a test looks into. */
export function createRecorder(platform: TestPlatform) {
  const { database, keys } = platform;
  const clock = new HeldClock();
  const events = new RecordingEventsRepository(database);
  const recordings = new RecordingsRepository(database);
  const chains = new RecordingChains(keys, events);
  const writer = new RecordingWriter(new RecordingBatches(chains, events), chains, recordings, clock);
  return { clock, events, recordings, chains, writer };
}

const CHUNK_BYTES = 256 * 1024;

let lastId = Date.now();

/** A UUID of version 7, each newer than the one before. */
export function newId(): string {
  lastId += 1;
  const hex =
    lastId.toString(16).padStart(12, "0") +
    "7" +
    randomBytes(2).toString("hex").slice(1) +
    "8" +
    randomBytes(8).toString("hex").slice(1);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export interface TestSession {
  readonly principal?: string;
  readonly targetName?: string;
  readonly targetId?: string;
  readonly openedAt?: Date;
}

/** A session with its recording, as the gateway opens it. */
export async function openSession(
  platform: TestPlatform,
  writer: RecordingWriter,
  { principal = "alice", targetName = "shop", targetId = newId(), openedAt = new Date() }: TestSession = {},
): Promise<string> {
  const id = newId();
  await platform.database.transaction(async (transaction) => {
    await transaction.session.create({
      data: { id, idHash: randomBytes(32), principal, oauthClient: "cli", targetId, targetName, openedAt },
    });
    await writer.create(transaction, id);
  });
  return id;
}

export function event(changes: Partial<RecordedEvent> & { text?: string } = {}): RecordedEvent {
  const { text = "{}", ...fields } = changes;
  return {
    kind: "notification",
    direction: "none",
    exchange: 0,
    at: 1_795_348_800_000,
    attributes: {},
    payload: Buffer.from(text),
    ...fields,
  };
}

export const request = (exchange: number, changes: Partial<RecordedEvent> = {}) =>
  event({ kind: "request", direction: "client_to_target", exchange, method: "tools/call", ...changes });

export const response = (exchange: number, changes: Partial<RecordedEvent> = {}) =>
  event({ kind: "response", direction: "target_to_client", exchange, ...changes });

export const chunk = (transfer: number, payload: Uint8Array) =>
  event({ kind: "response_chunk", direction: "target_to_client", attributes: { transfer }, payload });

export interface LargeAnswer {
  readonly exchange: number;
  readonly transfer: number;
  readonly payload: Uint8Array;
}

/** Records large responses as the gateway does, their chunks of 256 KiB alternating. Resolves with the responses. */
export async function recordLarge(
  writer: RecordingWriter,
  recordingId: string,
  answers: readonly LargeAnswer[],
): Promise<RecordedEvent[]> {
  const indexes = new Map<LargeAnswer, number[]>(answers.map((answer) => [answer, []]));
  const longest = Math.max(...answers.map(({ payload }) => payload.length));
  for (let start = 0; start < longest; start += CHUNK_BYTES) {
    for (const [answer, written] of indexes) {
      const part = answer.payload.subarray(start, start + CHUNK_BYTES);
      if (part.length === 0) continue;
      written.push((await writer.append({ recordingId, event: chunk(answer.transfer, part) })).index);
    }
  }
  const responses: RecordedEvent[] = [];
  for (const [{ exchange, transfer, payload }, written] of indexes) {
    const [first = 0, last = first] = [written[0], written.at(-1)];
    const stored = { transfer, first, last, bytes: payload.length, parts: written.length };
    const ended = response(exchange, { attributes: { stored }, payload: new Uint8Array() });
    await writer.append({ recordingId, event: ended });
    responses.push(ended);
  }
  return responses;
}

export const closed = () => event({ kind: "session_closed" });

/** Waits for what happens soon, at most 10 s. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await condition()) return;
    await sleep(20);
  }
  throw new Error("it did not happen");
}
