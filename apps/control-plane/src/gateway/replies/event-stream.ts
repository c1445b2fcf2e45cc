import { once } from "node:events";
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { encodeSse, sseComment } from "@drawbridge/mcp";
import { dataLines, type LargeMessage } from "./large-message.js";

// Proxies cut streams that are silent for a minute.
const KEEP_ALIVE_MS = 15_000;
/** A client that takes nothing of what is written for this long is gone, whatever its socket says. */
export const STALLED_MS = 60_000;
// How long a client waits before it comes back for what it missed.
const RETRY_MS = 1_000;

export const EVENT_STREAM_HEADERS = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-cache",
  "X-Accel-Buffering": "no",
} as const;

/**
 * The id of an event: the exchange whose stream it is on (0: the stream of GET) and its place in the recording, from
 * where it is read again. Before the first message of a stream the place is 0, which no message has.
 */
export function eventId(exchange: number, index: number): string {
  return `${exchange}-${index}`;
}

/** The first event of a stream at 2025-11-25: from here on the client has an id to come back with. */
export function primingEvent(exchange: number): Uint8Array {
  return encodeSse({ id: eventId(exchange, 0), retry: RETRY_MS, data: "" });
}

/** One message as an event. */
export function messageEvent(message: Uint8Array, id: string | undefined): Uint8Array {
  return encodeSse(id === undefined ? { data: message } : { id, data: message });
}

/** An open `text/event-stream` with keep-alive comments, headers flushed at once. */
export class EventStream {
  private readonly keepAlive: NodeJS.Timeout;
  // A large message goes out in many writes; nothing may come between them.
  private large: Promise<void> | undefined;
  // One wait for all that is said meanwhile.
  private draining: Promise<void> | undefined;

  constructor(
    private readonly response: ServerResponse,
    headers: OutgoingHttpHeaders = {},
    first?: Uint8Array,
  ) {
    response.writeHead(200, { ...headers, ...EVENT_STREAM_HEADERS });
    if (first) response.write(first);
    else response.flushHeaders();
    response.setTimeout(STALLED_MS);
    // Unheard, the error of a response would end the process.
    response.on("error", () => response.destroy());
    // Not behind what waits for the client: a comment would count as a sign that the client still reads.
    this.keepAlive = setInterval(() => {
      if (this.open && !this.large && response.writableLength === 0) response.write(sseComment());
    }, KEEP_ALIVE_MS);
    response.once("close", () => clearInterval(this.keepAlive));
  }

  get open(): boolean {
    return !this.response.destroyed && !this.response.writableEnded;
  }

  /** Calls back once, when the connection is over. */
  whenClosed(closed: () => void): void {
    if (this.response.destroyed) closed();
    else this.response.once("close", closed);
  }

  /** Resolves when the client's side has taken the message in, or is gone. */
  async send(message: Uint8Array, id?: string): Promise<void> {
    while (this.large) await this.large;
    if (!this.open || this.response.write(messageEvent(message, id))) return;
    this.draining ??= drained(this.response).finally(() => (this.draining = undefined));
    await this.draining;
  }

  /**
   * Resolves when the client's side has taken the last of it in, or is gone. When it cannot be read to its end, the
   * connection is cut, so that nobody takes a part for the whole. @throws what reading it threw
   */
  async sendLarge(message: LargeMessage, id?: string): Promise<void> {
    while (this.large) await this.large;
    const sent = writeAll(this.response, dataLines(message, id));
    const settled = sent.then(ignore, ignore);
    this.large = settled;
    void settled.then(() => (this.large = undefined));
    await sent;
  }

  /** "close" comes only when the client has read the rest: nothing may be written until then. */
  end(): void {
    clearInterval(this.keepAlive);
    if (this.open && !this.large) this.response.end();
    // Half a message is none: whoever is still owed the rest is cut off.
    else if (this.open) this.response.destroy();
  }

  /** Ends it without waiting for a client that does not read. */
  cut(): void {
    if (this.response.writableLength > 0) this.response.destroy();
    this.end();
  }
}

/** Writes piece by piece, no faster than the client reads. Cuts the connection when a piece cannot be had. */
export async function writeAll(response: ServerResponse, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const piece of pieces) {
      if (response.destroyed || response.writableEnded) return;
      if (!response.write(piece)) await drained(response);
    }
  } catch (error) {
    response.destroy();
    throw error;
  }
}

async function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed) return;
  const taken = new AbortController();
  const { signal } = taken;
  await Promise.race([once(response, "drain", { signal }), once(response, "close", { signal })]).catch(
    ignore,
  );
  taken.abort();
}

function ignore(): void {}
