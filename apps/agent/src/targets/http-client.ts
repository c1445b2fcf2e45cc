import { pipeline, type Readable, type Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { Agent, Dispatcher } from "undici";

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
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
}

/** HTTP to one URL: no redirects, no repeats, no cookies, no shared connections, bodies decoded and bounded. */
export class HttpClient {
  readonly #url: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #maxBodyBytes: number;
  readonly #flow = new Flow();
  #agent: Promise<Agent> | undefined;

  constructor(url: URL, headers: Readonly<Record<string, string>>, maxBodyBytes: number) {
    this.#url = url;
    this.#headers = headers;
    this.#maxBodyBytes = maxBodyBytes;
  }

  /** Stops reading every body until `resume`. */
  pause(): void {
    this.#flow.pause();
  }

  resume(): void {
    this.#flow.resume();
  }

  async request({ method, headers, body, signal }: HttpRequest): Promise<HttpAnswer> {
    const agent = await (this.#agent ??= createAgent());
    const response = await agent.request({
      origin: this.#url.origin,
      path: `${this.#url.pathname}${this.#url.search}`,
      method,
      headers: { ...this.#headers, ...headers },
      body: body ?? null,
      signal,
      // Exchanges have time-outs of their own, and streams may be silent for long.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return new HttpAnswer(response, this.#maxBodyBytes, this.#flow);
  }

  async close(): Promise<void> {
    const agent = await this.#agent;
    await agent?.destroy();
  }
}

/** Loaded with the first HTTP target: it takes 17 MB an agent with only stdio targets does not need. */
async function createAgent(): Promise<Agent> {
  const { Agent } = await import("undici");
  return new Agent({ connections: MAX_CONNECTIONS, pipelining: 1, connect: { timeout: CONNECT_TIMEOUT_MS } });
}

export class HttpAnswer {
  readonly status: number;
  readonly #response: Dispatcher.ResponseData;
  readonly #maxBytes: number;
  readonly #flow: Flow;

  constructor(response: Dispatcher.ResponseData, maxBytes: number, flow: Flow) {
    this.status = response.statusCode;
    // A body that is dropped half-way emits an error nobody waits for.
    response.body.on("error", () => undefined);
    this.#response = response;
    this.#maxBytes = maxBytes;
    this.#flow = flow;
  }

  header(name: string): string | undefined {
    const value = this.#response.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** The decoded body as it comes. Unbounded in total: for event streams, whose events are bounded one by one. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#decoded() as AsyncIterable<Buffer>) {
      yield chunk;
      await this.#flow.open;
    }
  }

  /** Throws BodyTooLargeError as soon as the decoded body exceeds the limit. */
  async readWhole(): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of this.chunks()) {
      bytes += chunk.length;
      if (bytes > this.#maxBytes) throw new BodyTooLargeError("the body is larger than the limit");
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  async discard(): Promise<void> {
    await this.#response.body.dump();
  }

  #decoded(): Readable {
    const encoding = this.header("content-encoding")?.trim().toLowerCase() ?? "identity";
    if (encoding === "identity" || encoding === "") return this.#response.body;
    const create = DECODERS.get(encoding);
    if (!create) {
      this.#response.body.destroy();
      throw new UnreadableBodyError("the target answered in an encoding it was not asked for");
    }
    const decoder = create();
    pipeline(this.#response.body, decoder, () => undefined);
    return decoder;
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
