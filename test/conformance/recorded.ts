import { setTimeout as sleep } from "node:timers/promises";
import type { ExportedEvent, RestClient } from "../e2e/rest-client.js";
import type { SeenExchange } from "./shim.js";

/** Something that was said and is not in the recording as it should be. */
export interface Gap {
  readonly scenario: string;
  readonly problem: string;
}

export interface RecordedResult {
  /** Messages that were found in the recordings. */
  readonly found: number;
  /** Requests that were refused before they belonged to any session: nothing is recorded of them. */
  readonly refused: number;
  readonly gaps: readonly Gap[];
}

/** How an exchange ends. One that its client left ends later, if ever: then it is enough that the leaving is recorded. */
const CLOSING: ReadonlySet<string> = new Set(["response", "not_sent", "outcome_unknown"]);
const PATIENCE_MS = 10_000;
const PAUSE_MS = 250;

interface Message {
  readonly id?: unknown;
  readonly method?: string;
}

/**
 * Looks for everything that the shim saw go to or come from a target in the target's recordings: each request with
 * what closed its exchange, each notification and answer of the client, and each message that the client was given,
 * word for word.
 */
export async function checkRecordings(
  api: RestClient,
  target: string,
  seen: readonly SeenExchange[],
): Promise<RecordedResult> {
  // An exchange that the client left ends when the target has been told.
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const result = compareWithRecordings(await readRecordings(api, target), seen);
    if (result.gaps.length === 0 || Date.now() > deadline) return result;
    await sleep(PAUSE_MS);
  }
}

/** `recordings`: the events of each recording of one target, by its id. */
export function compareWithRecordings(
  recordings: ReadonlyMap<string, readonly ExportedEvent[]>,
  seen: readonly SeenExchange[],
): RecordedResult {
  return new Comparison(recordings, seen).result();
}

/** The events of each recording. */
async function readRecordings(api: RestClient, target: string): Promise<Map<string, ExportedEvent[]>> {
  const recordings = new Map<string, ExportedEvent[]>();
  for (const { id } of await api.recordings(target)) recordings.set(id, await api.events(id));
  return recordings;
}

class Comparison {
  readonly #recordings: ReadonlyMap<string, readonly ExportedEvent[]>;
  readonly #seen: readonly SeenExchange[];
  /** By the session id that the client was given. */
  readonly #recordingOf = new Map<string, string>();
  readonly #used = new Set<ExportedEvent>();
  readonly #gaps: Gap[] = [];
  #found = 0;
  #refused = 0;

  constructor(recordings: ReadonlyMap<string, readonly ExportedEvent[]>, seen: readonly SeenExchange[]) {
    this.#recordings = recordings;
    this.#seen = seen;
    for (const { responseHeaders } of seen) {
      const session = responseHeaders["mcp-session-id"];
      const recording = responseHeaders["drawbridge-session"];
      if (typeof session === "string" && typeof recording === "string") {
        this.#recordingOf.set(session, recording);
      }
    }
  }

  result(): RecordedResult {
    // Those first that were not refused: of two with the same id it is their event.
    const isRefused = ({ status }: SeenExchange) => status >= 400;
    for (const exchange of this.#seen.toSorted((a, b) => Number(isRefused(a)) - Number(isRefused(b)))) {
      const events = this.#eventsFor(exchange);
      for (const message of messagesOf(exchange.requestBody)) {
        this.#checkSent(exchange, { message, events, isRefused: isRefused(exchange) });
      }
      if (isRefused(exchange)) continue;
      for (const text of heardIn(exchange)) this.#checkHeard(exchange.label, text, events);
    }
    return { found: this.#found, refused: this.#refused, gaps: this.#gaps };
  }

  /** A session of the 2025 revisions has its own recording; at 2026-07-28 there is one, or a few one after the other. */
  #eventsFor({ requestHeaders, responseHeaders }: SeenExchange): readonly ExportedEvent[] {
    const session = requestHeaders["mcp-session-id"] ?? responseHeaders["mcp-session-id"];
    if (typeof session === "string") {
      return this.#recordings.get(this.#recordingOf.get(session) ?? "") ?? [];
    }
    const named = new Set(this.#recordingOf.values());
    return [...this.#recordings].flatMap(([id, events]) => (named.has(id) ? [] : events));
  }

  #checkSent(
    { label: scenario, isAborted }: SeenExchange,
    {
      message,
      events,
      isRefused,
    }: { message: Message; events: readonly ExportedEvent[]; isRefused: boolean },
  ): void {
    const kind = kindOf(message);
    const event = events.find((candidate) => !this.#used.has(candidate) && isOf(candidate, kind, message));
    if (event === undefined) {
      if (isRefused) this.#refused += 1;
      else this.#gap(scenario, `no ${kind} event for ${describe(message)}`);
      return;
    }
    this.#used.add(event);
    const isClosed = events.some(
      ({ exchange, kind: closing, attributes }) =>
        exchange === event.exchange && (CLOSING.has(closing) || (isAborted && "cancelled" in attributes)),
    );
    if (kind === "request" && !isClosed) this.#gap(scenario, `nothing closed ${describe(message)}`);
    else this.#found += 1;
  }

  #checkHeard(scenario: string, text: string, events: readonly ExportedEvent[]): void {
    const isRecorded = events.some(
      ({ direction, payload }) => direction === "target_to_client" && payload === text,
    );
    if (isRecorded) this.#found += 1;
    else this.#gap(scenario, `the client was given what is not recorded: ${text.slice(0, 200)}`);
  }

  #gap(scenario: string, problem: string): void {
    this.#gaps.push({ scenario, problem });
  }
}

function kindOf({ id, method }: Message): "request" | "notification" | "client_response" {
  if (method === undefined) return "client_response";
  return id === undefined ? "notification" : "request";
}

function isOf(event: ExportedEvent, kind: string, { id, method }: Message): boolean {
  if (event.kind !== kind || event.direction !== "client_to_target") return false;
  if (method !== undefined && event.method !== method) return false;
  return id === undefined || JSON.stringify(messagesOf(event.payload)[0]?.id) === JSON.stringify(id);
}

function describe({ id, method }: Message): string {
  return `${method ?? "the answer"} ${id === undefined ? "" : JSON.stringify(id)}`.trim();
}

/** The messages of a body; none when it is no JSON. */
function messagesOf(body: string): Message[] {
  try {
    const value = JSON.parse(body) as Message | Message[] | null;
    return Array.isArray(value) ? value : value === null ? [] : [value];
  } catch {
    return [];
  }
}

/** Every message of a response, as it was written. */
function heardIn({ responseHeaders, responseBody }: SeenExchange): string[] {
  if (!responseHeaders["content-type"]?.startsWith("text/event-stream")) {
    return responseBody === "" ? [] : [responseBody];
  }
  return responseBody
    .split(/\r?\n\r?\n/)
    .slice(0, -1)
    .map((event) =>
      event
        .split(/\r?\n/)
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice("data:".length).replace(/^ /, ""))
        .join("\n"),
    )
    .filter((data) => data !== "");
}
