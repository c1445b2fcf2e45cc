import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { EventKind } from "@drawbridge/contracts";
import { type WebSocket, WebSocketServer } from "ws";

export interface ReceivedConnection {
  readonly after: string | null;
  readonly kinds: string | null;
  readonly authorization: string | undefined;
  readonly protocol: string | undefined;
}

interface FakeEvent {
  readonly kind: EventKind;
  readonly subject: string;
  readonly data?: Readonly<Record<string, string | number | boolean | null>>;
}

const AT = "2026-11-22T22:31:04.120Z";

/** The live events of a control plane: a test says what happens, and when connections break. */
export class FakeEvents {
  readonly connections: ReceivedConnection[] = [];
  /** The status that the next connections are refused with. */
  refusal: { readonly status: number; readonly body: string } | undefined;
  /** So many events a connection tells of before it breaks. */
  breaksAfter = Infinity;
  /** What a connection is told first, before what it missed. */
  greeting: unknown;
  readonly #told: string[] = [];
  readonly #server = new WebSocketServer({ noServer: true });

  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { searchParams } = new URL(request.url ?? "", "http://fake");
    const after = searchParams.get("after");
    this.connections.push({
      after,
      kinds: searchParams.get("kinds"),
      authorization: request.headers.authorization,
      protocol: request.headers["sec-websocket-protocol"],
    });
    if (this.refusal !== undefined) {
      const { status, body } = this.refusal;
      socket.end(
        `HTTP/1.1 ${status} No\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n${body}`,
      );
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (client) => this.#greet(client, after));
  }

  /** It happens; whoever is connected hears of it. */
  happens({ kind, subject, data = {} }: FakeEvent): void {
    const cursor = `c${this.#told.length + 1}`;
    this.#told.push(JSON.stringify({ type: "event", cursor, at: AT, kind, subject, data }));
    for (const client of this.#server.clients) client.send(this.#told.at(-1) ?? "");
  }

  /** Breaks every connection, without a goodbye. */
  cut(): void {
    for (const client of this.#server.clients) client.terminate();
  }

  /** Hears nothing more, a goodbye neither. */
  freeze(): void {
    for (const client of this.#server.clients) client.pause();
  }

  /** Something that no control plane would say. */
  say(text: string): void {
    for (const client of this.#server.clients) client.send(text);
  }

  #greet(client: WebSocket, after: string | null): void {
    if (this.greeting !== undefined) client.send(JSON.stringify(this.greeting));
    const from = after === null ? this.#told.length : Number(after.slice(1));
    const missed = this.#told.slice(from);
    for (const text of missed.slice(0, this.breaksAfter)) client.send(text);
    if (missed.length > this.breaksAfter) return client.close();
    client.send(JSON.stringify({ type: "ready", cursor: `c${this.#told.length}` }));
  }
}
