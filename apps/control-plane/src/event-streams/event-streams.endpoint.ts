import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { Injectable, Logger } from "@nestjs/common";
import { EVENTS_PROTOCOL, type Problem } from "@drawbridge/contracts";
import { type WebSocket, WebSocketServer } from "ws";
import { EventFeed, EventHistory } from "../events/index.js";
import { Clock } from "../platform/clock.js";
import { isDatabaseUnavailable } from "../platform/database.js";
import { DomainError } from "../platform/errors.js";
import type { Upgrades } from "../platform/http-server.js";
import { problemOf } from "../platform/problem.js";
import { EventStreamAdmission } from "./event-stream-admission.js";
import { CLOSED, EventStream, type EventListening } from "./event-stream.js";
import { OpenEventStreams } from "./open-event-streams.js";

// Clients have nothing to say; whatever they do is small and ignored.
const MAX_MESSAGE_BYTES = 4 * 1024;

/** WebSockets at `/api/v1/events`; every other is refused. */
@Injectable()
export class EventStreamsEndpoint implements Upgrades {
  private readonly logger = new Logger("events");
  private readonly server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    // Of what a browser offers, never the one that is its token.
    handleProtocols: () => EVENTS_PROTOCOL,
  });

  constructor(
    private readonly admission: EventStreamAdmission,
    private readonly open: OpenEventStreams,
    private readonly history: EventHistory,
    private readonly feed: EventFeed,
    private readonly clock: Clock,
  ) {}

  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // A client that leaves while it is being judged.
    const leaves = () => socket.destroy();
    socket.on("error", leaves);
    this.admission
      .admit(request)
      .then((listening) => {
        this.open.requireRoom(listening.principal.id);
        socket.off("error", leaves);
        this.server.handleUpgrade(request, socket, head, (accepted) => this.start(accepted, listening));
      })
      .catch((error: unknown) => refuse(socket, this.problemFrom(error)));
  }

  private start(socket: WebSocket, listening: EventListening): void {
    const { history, feed, clock } = this;
    const stream = new EventStream(socket, listening, { history, feed, clock });
    this.open.add(stream);
    socket.on("close", () => this.open.delete(stream));
    void stream.start();
    // A lock that was set while it was being judged.
    this.open.closeLocked(0n).catch((error: unknown) => {
      this.logger.warn("locks cannot be read", error instanceof Error ? error.message : undefined);
      stream.close(CLOSED.failed, "something went wrong here; come back with the last cursor");
    });
  }

  private problemFrom(error: unknown): Problem {
    if (error instanceof DomainError) return problemOf(error.code, error.message, error.problems);
    if (isDatabaseUnavailable(error))
      return problemOf("database_unavailable", "the database does not answer; try again in a moment");
    this.logger.error("a request failed unexpectedly", error instanceof Error ? error.stack : undefined);
    return problemOf("internal_error", "something went wrong here; the operator finds it in the log");
  }
}

function refuse(socket: Duplex, problem: Problem): void {
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    "Connection: close",
    "Content-Type: application/problem+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Cache-Control: no-store",
    ...(problem.status === 401 ? ["WWW-Authenticate: Bearer"] : []),
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  // Whoever does not read it must not keep the connection.
  setTimeout(() => socket.destroy(), 5_000).unref();
}
