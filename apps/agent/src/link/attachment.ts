import type { SessionRequest, SessionResponse } from "@drawbridge/protocol";
import { type ClientDuplexStream, type ServiceError, status } from "@grpc/grpc-js";
import type { Sink } from "../sessions/outbox.js";
import type { Session } from "../sessions/session.js";
import { backoffMs } from "./backoff.js";
import type { Connection, ConnectionEnd } from "./connection.js";

const OPEN_DEADLINE_MS = 5_000;
const FAREWELL_MS = 2_000;
/** How long a session stays on a good stream for the sake of what is on its way there. */
const TRANSFER_PATIENCE_MS = 30_000;
const TRANSFER_POLL_MS = 50;
const UNSENT_BYTES = 512 * 1024;

type SessionStream = ClientDuplexStream<SessionRequest, SessionResponse>;

/** The control plane will not take the session (back); asking again would not help. */
const FINAL_STATUS: ReadonlySet<status> = new Set([
  status.OK,
  status.NOT_FOUND,
  status.INVALID_ARGUMENT,
  status.PERMISSION_DENIED,
  status.UNAUTHENTICATED,
]);

export interface AttachmentOptions {
  readonly session: Session;
  readonly random: () => number;
  /** The control plane closed the session, or has had no stream of it for as long as the agent may operate. */
  readonly onLost: (reason: string) => void;
}

/**
 * Keeps one session on a stream: dials it, dials it again when it breaks, moves it to a newer connection. Between
 * streams the session's target goes on.
 */
export class Attachment {
  readonly #options: AttachmentOptions;
  #connection: Connection | undefined;
  #stream: SessionStream | undefined;
  /** Bytes that the stream has not handed to the connection yet. */
  #unsent = 0;
  #dialing: SessionStream | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  /** The session stays on its stream until what is on its way there has arrived. */
  #isMoving = false;
  #detachedSince: number | undefined;
  #isOver = false;

  constructor(options: AttachmentOptions) {
    this.#options = options;
  }

  /** True while the control plane hears the session. */
  get isAttached(): boolean {
    return this.#stream !== undefined;
  }

  /** Attaches the session over this connection. The old stream serves until the new one is accepted. */
  follow(connection: Connection): void {
    this.#connection = connection;
    this.#failures = 0;
    this.#isMoving = false;
    this.#dialing?.cancel();
    this.#dial();
  }

  /**
   * As `follow`, where nobody waits for it: a large result that is on its way would be cut off by another stream, so it
   * may arrive before, within 30 s. A stream that breaks meanwhile is replaced at once. A control plane that was lost in
   * between waits for its sessions, so the next connection is followed without delay.
   */
  moveTo(connection: Connection): void {
    if (this.#isMoving) {
      this.follow(connection);
      return;
    }
    this.#connection = connection;
    this.#isMoving = true;
    this.#moveBy(performance.now() + TRANSFER_PATIENCE_MS);
  }

  #moveBy(deadline: number): void {
    clearTimeout(this.#retry);
    const connection = this.#connection;
    if (!connection || this.#isOver) return;
    // What the stream has not taken yet would be lost with it, the last pieces of a result among it.
    const isBusy = this.#options.session.isTransferring || this.#unsent > 0;
    const mayWait = this.#stream !== undefined && isBusy;
    if (mayWait && performance.now() < deadline)
      this.#retry = setTimeout(() => this.#moveBy(deadline), TRANSFER_POLL_MS);
    else this.follow(connection);
  }

  /** Lets the session's last frames go out, then ends the stream. */
  finish(): void {
    this.#isOver = true;
    clearTimeout(this.#retry);
    this.#dialing?.cancel();
    const stream = this.#stream;
    if (!stream) return;
    this.#endWhenFinished();
    const timer = setTimeout(() => stream.cancel(), FAREWELL_MS);
    stream.once("status", () => clearTimeout(timer));
  }

  #dial(): void {
    clearTimeout(this.#retry);
    const connection = this.#connection;
    if (this.#isOver || !connection || connection.isOver) return;
    const stream = connection.client.session();
    this.#dialing = stream;
    const deadline = setTimeout(() => stream.cancel(), OPEN_DEADLINE_MS);
    stream.on("data", (response: SessionResponse) => this.#receive(stream, response, deadline));
    let isClosed = false;
    const closed = (end: ConnectionEnd) => {
      if (isClosed) return;
      isClosed = true;
      clearTimeout(deadline);
      this.#closed(stream, end);
    };
    stream.on("error", (error: ServiceError) => closed({ code: error.code, details: error.details }));
    stream.on("status", ({ code, details }) => closed({ code, details }));
    stream.on("end", () => stream.end());
    const { session } = this.#options;
    const attach = { sessionId: session.id, epoch: connection.welcome.epoch, resumed: session.isOpen };
    stream.write({ frame: { $case: "attach", value: attach } });
  }

  #receive(stream: SessionStream, { frame }: SessionResponse, deadline: NodeJS.Timeout): void {
    if (!frame) return;
    if (frame.$case === "open" && stream === this.#dialing) {
      clearTimeout(deadline);
      this.#options.session.receive(frame);
      this.#accepted(stream);
    } else if (frame.$case === "close") {
      this.#options.onLost(frame.value.reason);
    } else {
      // Also from a stream that a newer one replaces: what was on its way is not lost.
      this.#options.session.receive(frame);
    }
  }

  #accepted(stream: SessionStream): void {
    const old = this.#stream;
    this.#stream = stream;
    this.#dialing = undefined;
    this.#isMoving = false;
    this.#failures = 0;
    this.#detachedSince = undefined;
    if (old) {
      this.#options.session.disconnect();
      old.end();
    }
    this.#options.session.connect(this.#sinkOf(stream));
  }

  /** A gRPC stream counts frames, not bytes, before it says it is full; here the bytes count. */
  #sinkOf(stream: SessionStream): Sink<SessionRequest> {
    this.#unsent = 0;
    return (frame, bytes) => {
      this.#unsent += bytes;
      stream.write(frame, () => {
        if (stream !== this.#stream) return;
        this.#unsent -= bytes;
        if (this.#unsent < UNSENT_BYTES) this.#ready(stream);
      });
      return this.#unsent < UNSENT_BYTES;
    };
  }

  #ready(stream: SessionStream): void {
    if (stream !== this.#stream) return;
    this.#options.session.ready();
    if (this.#isOver) this.#endWhenFinished();
  }

  #endWhenFinished(): void {
    if (this.#options.session.isFinished) this.#stream?.end();
  }

  #closed(stream: SessionStream, end: ConnectionEnd): void {
    const wasInUse = stream === this.#stream;
    const wasDialing = stream === this.#dialing;
    if (wasInUse) {
      this.#stream = undefined;
      this.#options.session.disconnect();
    }
    if (wasDialing) this.#dialing = undefined;
    if (this.#isOver || (!wasInUse && !wasDialing)) return;
    // While a newer stream is being dialled the old one may end as it likes.
    if (wasInUse && this.#dialing) return;
    if (FINAL_STATUS.has(end.code))
      this.#options.onLost(end.details || "the control plane closed the session");
    else this.#dialAgain();
  }

  #dialAgain(): void {
    const connection = this.#connection;
    // Without a connection the link dials a new one and then follows it, until the permission lapses.
    if (!connection || connection.isOver) return;
    this.#detachedSince ??= performance.now();
    if (performance.now() - this.#detachedSince > connection.welcome.permissionMs) {
      this.#options.onLost("the control plane did not take the session back");
      return;
    }
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#dial(), backoffMs(this.#failures, this.#options.random, 2_000));
    this.#failures += 1;
  }
}
