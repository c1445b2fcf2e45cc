import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { StringDecoder } from "node:string_decoder";

/** One HTTP exchange between the suite and whoever is tested. */
export interface SeenExchange {
  /** What `label` was when it began. */
  readonly label: string;
  readonly method: string;
  readonly path: string;
  readonly requestHeaders: http.IncomingHttpHeaders;
  requestBody: string;
  /** 0 until there is a response. */
  status: number;
  responseHeaders: http.IncomingHttpHeaders;
  responseBody: string;
  /** Whether whoever asked left before the end. */
  isAborted: boolean;
}

export type HeaderList = [name: string, value: string][];

export interface ShimOptions {
  readonly port?: number;
  /** Where a request goes on to. Undefined: 404. */
  readonly upstream: (path: string) => URL | undefined;
  /** The headers to send on, of those that came. */
  readonly headers?: (headers: HeaderList, body: Buffer) => HeaderList | Promise<HeaderList>;
}

/**
 * Passes HTTP on as it comes: names, order and values of headers, Host and Origin among them, bodies as they flow. It
 * is there for what the suite cannot do: to send a token, and to tell afterwards what was said.
 */
export class Shim {
  readonly #server: http.Server;
  readonly #agent = new http.Agent({ keepAlive: true });
  readonly #options: ShimOptions;
  #seen: SeenExchange[] = [];
  /** Put on every exchange that begins. */
  label = "";

  private constructor(options: ShimOptions) {
    this.#options = options;
    this.#server = http.createServer((request, response) => {
      this.#pass(request, response).catch(() => response.destroy());
    });
  }

  static async start(options: ShimOptions): Promise<Shim> {
    const shim = new Shim(options);
    shim.#server.listen(options.port ?? 0, "127.0.0.1");
    await once(shim.#server, "listening");
    return shim;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Everything it saw since it was asked last. */
  take(): SeenExchange[] {
    const seen = this.#seen;
    this.#seen = [];
    return seen;
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #pass(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const exchange = this.#note(request);
    // As early as can be: whoever leaves while the body is read has left, too.
    const left = new AbortController();
    response.once("close", () => {
      exchange.isAborted = !response.writableFinished;
      if (exchange.isAborted) left.abort();
    });
    const body = await bodyOf(request);
    exchange.requestBody = body.toString("utf8");
    const upstream = this.#options.upstream(exchange.path);
    if (upstream === undefined) {
      response.writeHead(404).end();
      return;
    }
    const came = endToEnd(request.rawHeaders);
    const headers = (await this.#options.headers?.(came, body)) ?? came;
    const onward = http.request(upstream, {
      method: exchange.method,
      headers: headers.flat() as unknown as http.OutgoingHttpHeaders,
      setHost: false,
      agent: this.#agent,
      signal: left.signal,
    });
    onward.end(body);
    onward.once("error", () => response.destroy());
    onward.once("response", (answer) => this.#answer(exchange, answer, response));
  }

  #note({ method = "", url = "/", headers }: http.IncomingMessage): SeenExchange {
    const exchange: SeenExchange = {
      label: this.label,
      method,
      path: url,
      requestHeaders: headers,
      requestBody: "",
      status: 0,
      responseHeaders: {},
      responseBody: "",
      isAborted: false,
    };
    this.#seen.push(exchange);
    return exchange;
  }

  #answer(exchange: SeenExchange, answer: http.IncomingMessage, response: http.ServerResponse): void {
    exchange.status = answer.statusCode ?? 0;
    exchange.responseHeaders = answer.headers;
    const decoder = new StringDecoder("utf8");
    answer.on("data", (chunk: Buffer) => {
      exchange.responseBody += decoder.write(chunk);
      if (!response.write(chunk)) {
        answer.pause();
        response.once("drain", () => answer.resume());
      }
    });
    answer.once("end", () => response.end());
    answer.once("error", () => response.destroy());
    response.sendDate = false;
    response.writeHead(exchange.status, answer.statusMessage, endToEnd(answer.rawHeaders).flat());
    response.flushHeaders();
  }
}

const HOP_BY_HOP = new Set(["connection", "keep-alive", "transfer-encoding"]);

/** What is not about this one connection, as it was written. */
function endToEnd(raw: readonly string[]): HeaderList {
  const pairs: HeaderList = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const [name = "", value = ""] = [raw[index], raw[index + 1]];
    if (!HOP_BY_HOP.has(name.toLowerCase())) pairs.push([name, value]);
  }
  return pairs;
}

async function bodyOf(request: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
