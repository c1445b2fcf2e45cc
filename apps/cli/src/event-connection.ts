import type { IncomingMessage } from "node:http";
import { EventMessage, Problem } from "@drawbridge/contracts";
import { WebSocket, type RawData } from "ws";
import { z } from "zod";
import { unreachable } from "./api.js";
import { CliError, EXIT, notSignedIn } from "./errors.js";

const PROTOCOL = "drawbridge.events.v1";
const HANDSHAKE_MS = 10_000;
/** A connection on which nothing answers for so long is dead, whatever TCP believes. */
const PING_MS = 15_000;
const GOODBYE_MS = 1_000;
const MAX_MESSAGE_BYTES = 1024 * 1024;
const MAX_REFUSAL_BYTES = 65_536;
/** More wait in the network. */
const MAX_WAITING = 256;

/** A newer control plane may tell of kinds that this version does not know; where they stand is all it needs. */
const UnknownMessage = z.object({ cursor: z.string() });
export type Received = EventMessage | { readonly type: "unknown"; readonly cursor: string };

/** The control plane did not open the stream. Later it may, if `passes`. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly says: CliError;
  readonly passes: boolean;

  constructor(says: CliError, passes: boolean) {
    super(says.message, { cause: says });
    this.says = says;
    this.passes = passes;
  }
}

export interface ConnectionWish {
  readonly url: string;
  readonly token: string;
  readonly kinds?: readonly string[] | undefined;
  readonly after?: string | undefined;
  readonly signal: AbortSignal;
}

/** One connection: its messages until it ends, whoever ends it. @throws RefusedError when it does not come about */
export async function* eventConnection(wish: ConnectionWish): AsyncGenerator<Received> {
  const socket = await open(wish);
  const inbox = new Inbox(socket);
  const stopPinging = keepAlive(socket);
  const stop = (): void => inbox.end();
  wish.signal.addEventListener("abort", stop, { once: true });
  try {
    if (wish.signal.aborted) return;
    for (;;) {
      const text = await inbox.next();
      if (text === undefined || wish.signal.aborted) return;
      yield understood(text);
    }
  } finally {
    wish.signal.removeEventListener("abort", stop);
    stopPinging();
    await goodbye(socket);
  }
}

function open({ url, token, kinds, after, signal }: ConnectionWish): Promise<WebSocket> {
  const address = new URL(`${url}/api/v1/events`);
  address.protocol = address.protocol.replace("http", "ws");
  if (kinds !== undefined) address.searchParams.set("kinds", kinds.join(","));
  if (after !== undefined) address.searchParams.set("after", after);
  const socket = new WebSocket(address, PROTOCOL, {
    headers: { authorization: `Bearer ${token}` },
    handshakeTimeout: HANDSHAKE_MS,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  // Nothing is read before somebody listens for it.
  socket.once("open", () => socket.pause());
  const stop = (): void => socket.terminate();
  signal.addEventListener("abort", stop, { once: true });
  const opened = new Promise<WebSocket>((resolve, reject) => {
    socket.once("open", () => resolve(socket));
    socket.once("unexpected-response", (_request, response: IncomingMessage) => {
      refusalOf(response).then(reject, reject);
    });
    // Stays: an error that nobody listens for would end the process.
    socket.on("error", (error) => reject(new RefusedError(unreachable(url, error), true)));
  });
  return opened.finally(() => signal.removeEventListener("abort", stop));
}

async function refusalOf(response: IncomingMessage): Promise<RefusedError> {
  const status = response.statusCode ?? 0;
  const detail = (await problemOf(response)) ?? `the control plane answered with HTTP status ${status}`;
  response.destroy();
  if (status === 401)
    return new RefusedError(notSignedIn(`${detail}; sign in again: drawbridge login`), false);
  if (status === 403) return new RefusedError(new CliError(detail, { exitCode: EXIT.notPermitted }), false);
  const passes = status === 429 || status >= 500;
  return new RefusedError(new CliError(`no live events here: ${detail}`), passes);
}

async function problemOf(response: IncomingMessage): Promise<string | undefined> {
  let text = "";
  try {
    for await (const chunk of response) {
      text += String(chunk);
      if (text.length > MAX_REFUSAL_BYTES) return undefined;
    }
    const problem = Problem.safeParse(JSON.parse(text));
    return problem.data?.detail;
  } catch {
    return undefined;
  }
}

/** What came and was not read yet. Beyond a few, no more is taken from the network. */
class Inbox {
  readonly #socket: WebSocket;
  readonly #texts: string[] = [];
  #closed = false;
  #wake: () => void = () => {};

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: RawData, isBinary: boolean) => {
      if (isBinary) return socket.close(1003);
      this.#texts.push(textOf(data));
      if (this.#texts.length >= MAX_WAITING) socket.pause();
      this.#wake();
    });
    socket.on("close", () => this.end());
    socket.resume();
  }

  /** Nothing more is waited for. */
  end(): void {
    this.#closed = true;
    this.#wake();
  }

  /** Undefined when the connection has ended and all was read. */
  async next(): Promise<string | undefined> {
    while (this.#texts.length === 0 && !this.#closed) {
      this.#socket.resume();
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#texts.shift();
  }
}

/** `ws` gives one Buffer for each message unless told otherwise. */
const textOf = (data: RawData): string => (Buffer.isBuffer(data) ? data.toString("utf8") : "");

function keepAlive(socket: WebSocket): () => void {
  let answered = true;
  socket.on("pong", () => (answered = true));
  const timer = setInterval(() => {
    // What is not read hears no answer.
    if (!answered && !socket.isPaused) return socket.terminate();
    answered = false;
    socket.ping();
  }, PING_MS);
  return () => clearInterval(timer);
}

function understood(text: string): Received {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw notUnderstood(error);
  }
  const message = EventMessage.safeParse(value);
  if (message.success) return message.data;
  const unknown = UnknownMessage.safeParse(value);
  if (!unknown.success) throw notUnderstood(message.error);
  return { type: "unknown", cursor: unknown.data.cursor };
}

function notUnderstood(cause: unknown): CliError {
  return new CliError("the control plane told of something that this version does not understand", { cause });
}

/** Says goodbye, but does not wait long for the answer. */
async function goodbye(socket: WebSocket): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return;
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const timer = setTimeout(() => socket.terminate(), GOODBYE_MS);
  socket.resume();
  socket.close(1000);
  await closed;
  clearTimeout(timer);
}
