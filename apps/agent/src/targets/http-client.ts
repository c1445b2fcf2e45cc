import { pipeline, Readable, type Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { Frame } from "@drawbridge/mcp";
import type { Dispatcher, Pool } from "undici";
import { HttpBody } from "./http-body.js";

const CONNECT_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 64;

export class BodyTooLargeError extends Error {
  override readonly name = "BodyTooLargeError";
}

/** The body cannot be decoded. */
export class UnreadableBodyError extends Error {
  override readonly name = "UnreadableBodyError";
}

export interface HttpRequest {
  readonly method: "POST" | "GET" | "DELETE";
  /** Of the same origin; the client's own unless told. */
  readonly url?: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
}

/** HTTP to one origin: no redirects, no repeats, no cookies, no shared connections, bodies decoded and bounded. */
export class HttpClient {
  readonly #url: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #flow = new Flow();
  #pool: Promise<Pool> | undefined;

  constructor(url: URL, headers: Readonly<Record<string, string>>) {
    this.#url = url;
    this.#headers = headers;
  }

  /** Stops reading every body until `resume`. */
  pause(): void {
    this.#flow.pause();
  }

  resume(): void {
    this.#flow.resume();
  }

  async request({ method, url = this.#url, headers, body, signal }: HttpRequest): Promise<HttpAnswer> {
    const pool = await (this.#pool ??= createPool(this.#url.origin));
    signal.throwIfAborted();
    const options = {
      path: `${url.pathname}${url.search}`,
      method,
      headers: { ...this.#headers, ...headers },
      body: body ?? null,
      // Exchanges have time-outs of their own, and streams may be silent for long.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    const flow = this.#flow;
    return new Promise((resolve, reject) => {
      pool.dispatch(options, new AnswerHandler({ signal, flow, resolve, reject }));
    });
  }

  async close(): Promise<void> {
    const pool = await this.#pool;
    await pool?.destroy();
  }
}

/** Loaded with the first HTTP target: it takes 17 MB an agent with only stdio targets does not need. */
async function createPool(origin: string): Promise<Pool> {
  const { Pool } = await import("undici");
  return new Pool(origin, {
    connections: MAX_CONNECTIONS,
    pipelining: 1,
    connect: { timeout: CONNECT_TIMEOUT_MS },
  });
}

interface Pending {
  readonly signal: AbortSignal;
  readonly flow: Flow;
  readonly resolve: (answer: HttpAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** Follows one request from its dispatch to the end of its answer. undici's own `request` costs a stream each. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #pending: Pending;
  #controller: Dispatcher.DispatchController | undefined;
  #body: HttpBody | undefined;

  constructor(pending: Pending) {
    this.#pending = pending;
    pending.signal.addEventListener("abort", this.#abort);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#pending.signal.aborted) this.#abort();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    // What comes before the answer (RFC 9110 §15.2) says nothing of use here.
    if (status < 200) return;
    this.#body = new HttpBody(controller);
    this.#pending.resolve(new HttpAnswer({ status, headers }, this.#body, this.#pending.flow));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.#body?.push(chunk);
  }

  onResponseEnd(): void {
    this.#pending.signal.removeEventListener("abort", this.#abort);
    this.#body?.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#pending.signal.removeEventListener("abort", this.#abort);
    this.#pending.reject(error);
    this.#body?.end(error);
  }

  /** A request that waits for a connection is aborted when it gets one: it is not sent then. */
  readonly #abort = (): void => {
    const error = new Error("the request was aborted", { cause: this.#pending.signal.reason });
    this.#pending.reject(error);
    this.#controller?.abort(error);
  };
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

export class HttpAnswer {
  readonly status: number;
  readonly #headers: Headers;
  readonly #body: HttpBody;
  readonly #flow: Flow;

  constructor(head: { status: number; headers: Headers }, body: HttpBody, flow: Flow) {
    this.status = head.status;
    this.#headers = head.headers;
    this.#body = body;
    this.#flow = flow;
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** The decoded body as it comes. Unbounded in total: for event streams, whose events are bounded one by one. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.#isEncoded ? this.#decoded() : this.#body.chunks()) {
        yield chunk;
        await this.#flow.open;
      }
    } finally {
      this.#body.abort();
    }
  }

  /** Throws BodyTooLargeError as soon as the decoded body exceeds `maxBytes`. */
  async readWhole(maxBytes: number): Promise<Uint8Array> {
    const kept = new KeptChunks();
    await this.#readChunks((chunk) => {
      kept.add(chunk);
      if (kept.size > maxBytes) throw new BodyTooLargeError("the answer is too large");
      return true;
    });
    return kept.bytes;
  }

  /** The decoded body as one message, in parts when it is longer than `wholeBytes`. `take`: false when it wants no more. */
  async readMessage(wholeBytes: number, take: (frame: Frame) => boolean): Promise<void> {
    const kept = new KeptChunks();
    let isLarge = false;
    let isWanted = true;
    const takePart = (bytes: Uint8Array) => (isWanted = take({ kind: "part", bytes }));
    await this.#readChunks((chunk) => {
      if (isLarge) return takePart(chunk);
      kept.add(chunk);
      if (kept.size <= wholeBytes) return true;
      isLarge = true;
      take({ kind: "begin" });
      return kept.take().every(takePart);
    });
    if (!isLarge) take({ kind: "whole", bytes: kept.bytes });
    else if (isWanted) take({ kind: "end" });
  }

  /** Calls `visit` with each decoded chunk until it returns false, and waits where reading is paused. */
  async #readChunks(visit: (chunk: Uint8Array) => boolean): Promise<void> {
    if (this.#isEncoded) {
      for await (const chunk of this.chunks()) if (!visit(chunk)) return;
      return;
    }
    // Most answers are one chunk that is there already: it is not sent through an iterator.
    try {
      for (;;) {
        if (!this.#body.take().every(visit) || this.#body.isExhausted) return;
        await this.#body.more();
        await this.#flow.open;
      }
    } finally {
      this.#body.abort();
    }
  }

  /** Closes the connection unless the answer came whole. Whoever reads it gets an error then. */
  abort(): void {
    this.#body.abort();
  }

  discard(): Promise<void> {
    return this.#body.discard();
  }

  get #encoding(): string {
    return this.header("content-encoding")?.trim().toLowerCase() ?? "";
  }

  get #isEncoded(): boolean {
    return this.#encoding !== "" && this.#encoding !== "identity";
  }

  #decoded(): AsyncIterable<Uint8Array> {
    const create = DECODERS.get(this.#encoding);
    if (!create) throw new UnreadableBodyError("the target answered in an encoding it was not asked for");
    return pipeline(Readable.from(this.#body.chunks()), create(), () => undefined);
  }
}

/** What has come of a body so far. */
class KeptChunks {
  #chunks: Uint8Array[] = [];
  size = 0;

  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.size += chunk.length;
  }

  take(): Uint8Array[] {
    const taken = this.#chunks;
    this.#chunks = [];
    return taken;
  }

  get bytes(): Uint8Array {
    const [only, ...more] = this.#chunks;
    return only && more.length === 0 ? only : Buffer.concat(this.#chunks, this.size);
  }
}

const DECODERS: ReadonlyMap<string, () => Transform> = new Map<string, () => Transform>([
  ["gzip", createGunzip],
  ["x-gzip", createGunzip],
  ["deflate", createInflate],
  ["br", createBrotliDecompress],
]);

/** A gate every reader waits at. */
class Flow {
  open: Promise<void> = Promise.resolve();
  #release: (() => void) | undefined;

  pause(): void {
    if (this.#release) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.open = promise;
    this.#release = resolve;
  }

  resume(): void {
    this.#release?.();
    this.#release = undefined;
  }
}
