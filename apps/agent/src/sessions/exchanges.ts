import { idKey, type JsonRpcId, type McpMessage, type McpRequest } from "@drawbridge/mcp";

export interface ExchangeTimeouts {
  readonly totalMs: number;
  /** Without a message of the target that belongs to the exchange. */
  readonly idleMs: number;
}

// Node fires a timer beyond 2^31-1 ms at once; no call is meant to take longer than a day anyway.
const LONGEST_MS = 24 * 3_600_000;

/** What a target's definition wants, each where it is a usable number and at most a day; this host's own otherwise. */
export function boundedTimeouts(wanted: ExchangeTimeouts, own: ExchangeTimeouts): ExchangeTimeouts {
  return {
    totalMs: Math.min(wanted.totalMs > 0 ? wanted.totalMs : own.totalMs, LONGEST_MS),
    idleMs: Math.min(wanted.idleMs > 0 ? wanted.idleMs : own.idleMs, LONGEST_MS),
  };
}

/** Where a message of the target goes. */
export interface Route {
  /** 0: no exchange in particular. */
  readonly exchange: number;
  /** It answers the exchange's request. */
  readonly final: boolean;
}

/** Why an exchange ends without its response: the limits of a call, and of a call that nobody waits for. */
export type Lateness = "total" | "idle" | "cancelled";

export type Beginning = "begun" | "seen_before" | "id_in_use";

/** What is remembered of a request; its bytes are not. */
export type RequestHead = Pick<McpRequest, "id" | "method">;

interface OpenExchange {
  readonly request: RequestHead;
  readonly idKey: string;
  readonly tokenKey: string | undefined;
  total: NodeJS.Timeout;
  readonly idle: NodeJS.Timeout;
  isCancelled: boolean;
}

const CANCELLED_KEPT_MS = 60_000;
const REMEMBERED = 4_096;

/**
 * The requests of the client that have no response yet, and which of them a message of the target belongs to. A stdio
 * target does not say: a response is known by its id, progress by its token, list changes belong to nobody, and
 * anything else to the newest request.
 */
export class Exchanges {
  readonly #open = new Map<number, OpenExchange>();
  readonly #byId = new Map<string, number>();
  readonly #byToken = new Map<string, number>();
  readonly #seen = new Set<number>();
  readonly #onTimeout: (exchange: number, after: Lateness) => void;

  /** Whoever is told of a time-out ends the exchange. */
  constructor(onTimeout: (exchange: number, after: Lateness) => void) {
    this.#onTimeout = onTimeout;
  }

  get open(): number[] {
    return [...this.#open.keys()];
  }

  isOpen(exchange: number): boolean {
    return this.#open.has(exchange);
  }

  isCancelled(exchange: number): boolean {
    return this.#open.get(exchange)?.isCancelled ?? false;
  }

  requestOf(exchange: number): RequestHead | undefined {
    return this.#open.get(exchange)?.request;
  }

  /** "seen_before": this exchange was here already, so its request must not be sent to the target again. */
  begin(exchange: number, request: McpRequest, timeouts: ExchangeTimeouts): Beginning {
    if (this.#seen.has(exchange)) return "seen_before";
    const key = idKey(request.id);
    const holder = this.#byId.get(key);
    if (holder !== undefined) {
      if (!this.isCancelled(holder)) return "id_in_use";
      // The client uses the id of a call it gave up again: what comes with this id from now on answers the new call.
      this.#onTimeout(holder, "cancelled");
    }
    this.#remember(exchange);
    const tokenKey = request.progressToken && idKey(request.progressToken);
    this.#open.set(exchange, {
      request: { id: request.id, method: request.method },
      idKey: key,
      tokenKey,
      total: setTimeout(() => this.#onTimeout(exchange, "total"), timeouts.totalMs),
      idle: setTimeout(() => this.#onTimeout(exchange, "idle"), timeouts.idleMs),
      isCancelled: false,
    });
    this.#byId.set(key, exchange);
    if (tokenKey !== undefined) this.#byToken.set(tokenKey, exchange);
    return "begun";
  }

  /** A cancelled exchange stays for a minute, so that a late response is still recorded; then it is late for good. */
  cancel(exchange: number): void {
    const open = this.#open.get(exchange);
    if (!open) return;
    open.isCancelled = true;
    clearTimeout(open.total);
    clearTimeout(open.idle);
    open.total = setTimeout(() => this.#onTimeout(exchange, "cancelled"), CANCELLED_KEPT_MS);
  }

  end(exchange: number): void {
    const open = this.#open.get(exchange);
    if (!open) return;
    clearTimeout(open.total);
    clearTimeout(open.idle);
    this.#open.delete(exchange);
    this.#byId.delete(open.idKey);
    if (open.tokenKey !== undefined && this.#byToken.get(open.tokenKey) === exchange)
      this.#byToken.delete(open.tokenKey);
  }

  /** The exchange showed a sign of life. */
  touch(exchange: number): void {
    const open = this.#open.get(exchange);
    // Refreshing a cleared timer would start it again.
    if (open && !open.isCancelled) open.idle.refresh();
  }

  exchangeOfId(id: JsonRpcId): number | undefined {
    return this.#byId.get(idKey(id));
  }

  /** Undefined for a response nobody waits for. */
  route(message: McpMessage): Route | undefined {
    if (message.kind === "response") return this.#routeResponse(message.id);
    if (isForNobody(message.method)) return { exchange: 0, final: false };
    const byToken =
      message.method === "notifications/progress" && message.progressToken
        ? this.#byToken.get(idKey(message.progressToken))
        : undefined;
    return { exchange: byToken ?? this.#newest() ?? 0, final: false };
  }

  #routeResponse(id: JsonRpcId | undefined): Route | undefined {
    if (id === undefined) return { exchange: 0, final: false };
    const exchange = this.exchangeOfId(id);
    return exchange === undefined ? undefined : { exchange, final: true };
  }

  #newest(): number | undefined {
    return this.open.findLast((exchange) => !this.isCancelled(exchange));
  }

  #remember(exchange: number): void {
    this.#seen.add(exchange);
    if (this.#seen.size <= REMEMBERED) return;
    const [oldest] = this.#seen;
    if (oldest !== undefined) this.#seen.delete(oldest);
  }
}

function isForNobody(method: string): boolean {
  return method.endsWith("/list_changed") || method === "notifications/resources/updated";
}
