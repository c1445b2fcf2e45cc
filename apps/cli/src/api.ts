import { Problem } from "@drawbridge/contracts";
import type { z } from "zod";
import { CliError, EXIT, type ExitCode, problemLine } from "./errors.js";

const TIMEOUT_MS = 30_000;
/** More than any page the control plane answers with. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;
const MAX_PAGE = 200;
/** What needs a newer sign-in than the one at hand. */
const SIGN_IN_AGAIN = "sign_in_again";

type Query = Readonly<Record<string, string | number | undefined>>;

interface Call {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly query?: Query;
  readonly body?: unknown;
  /** Each time it is sent it gets a key of its own: an answer that refused it is kept under the first. */
  readonly creates?: boolean;
}

export interface ApiOptions {
  readonly url: string;
  readonly signal: AbortSignal;
  /** Nothing for what is public. */
  readonly token?: () => Promise<string>;
  /** Called when the sign-in is too old for a request; true: it is new now, and the request is sent once more. */
  readonly signInAgain?: () => Promise<boolean>;
}

/** The REST API of one control plane. Every answer is checked against its contract; every failure is a CliError. */
export class Api {
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  async get<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    query: Query = {},
  ): Promise<z.output<Schema>> {
    return this.#json(schema, await this.#send(path, { method: "GET", query }));
  }

  async put<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    body: unknown,
  ): Promise<z.output<Schema>> {
    return this.#json(schema, await this.#send(path, { method: "PUT", body }));
  }

  /** Creates something, once, even if the network repeats the request. */
  async post<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    body: unknown,
  ): Promise<z.output<Schema>> {
    return this.#json(schema, await this.#send(path, { method: "POST", body, creates: true }));
  }

  /** Asks something that takes a body, and changes nothing. */
  async ask<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    body: unknown,
  ): Promise<z.output<Schema>> {
    return this.#json(schema, await this.#send(path, { method: "POST", body }));
  }

  async delete(path: string): Promise<void> {
    const response = await this.#send(path, { method: "DELETE" });
    await response.body?.cancel();
  }

  /** The bytes of an answer of any length, as they come. */
  async stream(path: string): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#send(path, { method: "GET" });
    if (response.body === null) throw new CliError("the control plane answered with nothing");
    return response.body;
  }

  /** The same, of what takes a body to be asked. */
  async askForStream(path: string, body: unknown): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#send(path, { method: "POST", body });
    if (response.body === null) throw new CliError("the control plane answered with nothing");
    return response.body;
  }

  /** Up to `limit` entries of a list, over as many pages as that takes. */
  async list<Item extends z.ZodType>(
    path: string,
    page: z.ZodType<{ items: z.output<Item>[]; nextCursor?: string | undefined }>,
    { limit = Infinity, pageSize = MAX_PAGE, query = {} }: ListOptions = {},
  ): Promise<z.output<Item>[]> {
    const items: z.output<Item>[] = [];
    let cursor: string | undefined;
    do {
      const count = Math.min(pageSize, limit - items.length);
      const { items: more, nextCursor } = await this.get(path, page, { ...query, limit: count, cursor });
      items.push(...more);
      if (nextCursor === cursor) break;
      cursor = nextCursor;
    } while (cursor !== undefined && items.length < limit);
    return items.slice(0, limit);
  }

  async #send(path: string, call: Call): Promise<Response> {
    const { url, signInAgain } = this.#options;
    const response = await this.#sendOnce(path, call);
    if (response.ok) return response;
    const refusal = await failure(response, url);
    if (refusal.code !== SIGN_IN_AGAIN || !(await signInAgain?.())) throw refusal;
    const second = await this.#sendOnce(path, call);
    if (second.ok) return second;
    throw await failure(second, url);
  }

  async #sendOnce(path: string, { method, query = {}, body, creates }: Call): Promise<Response> {
    const { url, signal, token } = this.#options;
    const address = new URL(`${url}/api/v1${path}`);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) address.searchParams.set(name, String(value));
    }
    const authorization = token && { authorization: `Bearer ${await token()}` };
    return this.#fetch(address, {
      method,
      signal,
      redirect: "manual",
      headers: {
        accept: "application/json",
        ...authorization,
        ...(creates ? { "idempotency-key": crypto.randomUUID() } : {}),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** Bounds the time until an answer begins; how long a long one takes is up to the network. */
  async #fetch(address: URL, request: RequestInit & { signal: AbortSignal }): Promise<Response> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), TIMEOUT_MS);
    try {
      return await fetch(address, { ...request, signal: AbortSignal.any([request.signal, late.signal]) });
    } catch (error) {
      if (request.signal.aborted) throw interrupted();
      if (late.signal.aborted)
        throw new CliError(`${this.#options.url} did not answer within ${TIMEOUT_MS / 1000} s`);
      throw unreachable(this.#options.url, error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #json<Schema extends z.ZodType>(schema: Schema, response: Response): Promise<z.output<Schema>> {
    const parsed = schema.safeParse(parseJson(await this.#text(response)));
    if (parsed.success) return parsed.data;
    throw new CliError("the control plane gave an answer this version does not understand", {
      details: parsed.error.issues
        .slice(0, 5)
        .map(({ path, message }) => `${path.join(".") || "answer"}: ${message}`),
    });
  }

  async #text(response: Response): Promise<string> {
    try {
      return await boundedText(response);
    } catch (error) {
      if (this.#options.signal.aborted) throw interrupted();
      if (error instanceof CliError) throw error;
      throw new CliError(`the answer of ${this.#options.url} broke off`, { cause: error });
    }
  }
}

interface ListOptions {
  readonly limit?: number;
  readonly pageSize?: number;
  readonly query?: Query;
}

export function unreachable(url: string, cause: unknown): CliError {
  return new CliError(`cannot reach ${url}; is it running? (npm start)`, { cause });
}

export function interrupted(cause?: unknown): CliError {
  return new CliError("interrupted", { exitCode: EXIT.interrupted, cause });
}

const EXIT_BY_STATUS: Partial<Record<number, ExitCode>> = { 401: EXIT.notSignedIn, 403: EXIT.notPermitted };

async function failure(response: Response, url: string): Promise<CliError> {
  const { status } = response;
  const exitCode = EXIT_BY_STATUS[status] ?? EXIT.failure;
  if (status >= 300 && status < 400) {
    const location = response.headers.get("location") ?? "somewhere else";
    return new CliError(`${url} redirects to ${location}; give its real address with --url`);
  }
  const problem = Problem.safeParse(parseJson(await boundedText(response).catch(() => "")));
  if (!problem.success) {
    return new CliError(`${url} answered with HTTP status ${status}; is it a Drawbridge control plane?`, {
      exitCode,
    });
  }
  const { code, detail, problems = [] } = problem.data;
  if (code === SIGN_IN_AGAIN) {
    return new CliError(detail, {
      exitCode: EXIT.notSignedIn,
      code,
      details: detail.includes("drawbridge login") ? [] : ["sign in again (drawbridge login) and repeat it"],
    });
  }
  return new CliError(status === 401 ? `${detail}; sign in again: drawbridge login` : detail, {
    exitCode,
    code,
    // One problem is often all that there is to say, and was said.
    details: problems.filter(({ message }) => message !== detail).map(problemLine),
  });
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw new CliError("the control plane's answer is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
