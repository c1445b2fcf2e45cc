import { type Era, idKey, type JsonRpcId, type McpMessage, type McpRequest, METHODS } from "@drawbridge/mcp";

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
  /** Both are missing where the request is there to stay. */
  total: NodeJS.Timeout | undefined;
  readonly idle: NodeJS.Timeout | undefined;
  isCancelled: boolean;
}

export interface ExchangesOptions {
  /** Of the session. */
  readonly era: () => Era;
  /** Whoever is told of a time-out ends the exchange. */
  readonly onTimeout: (exchange: number, after: Lateness) => void;
}

const CANCELLED_KEPT_MS = 60_000;
const REMEMBERED = 4_096;
/** Open for as long as the client listens, silent for as long as nothing happens. */
const LASTING_METHOD = "subscriptions/listen";

/**
 * The requests of the client that have no response yet, and which of them a message of the target belongs to. In a
 * modern session its transport says so, because several clients may use one id; what it cannot say belongs to the newest
 * request that is not there to listen. A legacy stdio target says nothing: a response is known by its id, progress by
 * its token, what is meant for the session belongs to no request, and anything else to the newest one.
 */
export class Exchanges {
  readonly #open = new Map<number, OpenExchange>();
  /** Legacy only: there ids are unique among the open requests. */
  readonly #byId = new Map<string, number>();
  readonly #byToken = new Map<string, number>();
  readonly #seen = new Set<number>();
  readonly #options: ExchangesOptions;

  constructor(options: ExchangesOptions) {
    this.#options = options;
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

  /** False for what the control plane has to read whole: lists it filters, and what a session is agreed on with. */
  mayBeLarge(exchange: number): boolean {
    const method = this.requestOf(exchange)?.method;
    if (method === undefined || method === "tasks/list") return false;
    return (METHODS.get(method)?.governance.as ?? "operation") === "operation";
  }

  /** "seen_before": this exchange was here already, so its request must not be sent to the target again. */
  begin(exchange: number, request: McpRequest, timeouts: ExchangeTimeouts): Beginning {
    if (this.#seen.has(exchange)) return "seen_before";
    if (!this.#claimId(request.id)) return "id_in_use";
    this.#remember(exchange);
    const lasts = request.method === LASTING_METHOD;
    const open: OpenExchange = {
      request: { id: request.id, method: request.method },
      idKey: idKey(request.id),
      tokenKey: request.progressToken && idKey(request.progressToken),
      total: lasts ? undefined : this.#timer(exchange, "total", timeouts.totalMs),
      idle: lasts ? undefined : this.#timer(exchange, "idle", timeouts.idleMs),
      isCancelled: false,
    };
    this.#open.set(exchange, open);
    if (this.#options.era() === "legacy") this.#index(exchange, open);
    return "begun";
  }

  /** A cancelled exchange stays for a minute, so that a late response is still recorded; then it is late for good. */
  cancel(exchange: number): void {
    const open = this.#open.get(exchange);
    if (!open) return;
    open.isCancelled = true;
    clearTimeout(open.total);
    clearTimeout(open.idle);
    open.total = this.#timer(exchange, "cancelled", CANCELLED_KEPT_MS);
  }

  end(exchange: number): void {
    const open = this.#open.get(exchange);
    if (!open) return;
    clearTimeout(open.total);
    clearTimeout(open.idle);
    this.#open.delete(exchange);
    if (this.#byId.get(open.idKey) === exchange) this.#byId.delete(open.idKey);
    if (open.tokenKey !== undefined && this.#byToken.get(open.tokenKey) === exchange)
      this.#byToken.delete(open.tokenKey);
  }

  /** The exchange showed a sign of life. */
  touch(exchange: number): void {
    const open = this.#open.get(exchange);
    // Refreshing a cleared timer would start it again.
    if (open && !open.isCancelled) open.idle?.refresh();
  }

  /** Legacy only. */
  exchangeOfId(id: JsonRpcId): number | undefined {
    return this.#byId.get(idKey(id));
  }

  /** Which exchange a response with this id answers; `known`: what the transport says. Undefined: nobody waits for it. */
  answeredBy(id: JsonRpcId, known: number | undefined): number | undefined {
    if (this.#options.era() === "legacy") return this.exchangeOfId(id);
    const open = known === undefined ? undefined : this.#open.get(known);
    return open?.idKey === idKey(id) ? known : undefined;
  }

  /** `known`: the exchange, where the transport says so. Undefined: the message belongs to nobody here. */
  route(message: McpMessage, known?: number): Route | undefined {
    if (message.kind === "response") return this.#routeResponse(message.id, known);
    if (known !== undefined) return { exchange: known, final: false };
    if (METHODS.get(message.method)?.channel === "session") return this.#routeToSession();
    const byToken =
      message.method === "notifications/progress" && message.progressToken
        ? this.#byToken.get(idKey(message.progressToken))
        : undefined;
    return { exchange: byToken ?? this.#newest() ?? 0, final: false };
  }

  #routeResponse(id: JsonRpcId | undefined, known: number | undefined): Route | undefined {
    if (id === undefined) return { exchange: 0, final: false };
    const exchange = this.answeredBy(id, known);
    return exchange === undefined ? undefined : { exchange, final: true };
  }

  /** A modern session has no stream of its own: who wants such messages subscribes, and then they say to what. */
  #routeToSession(): Route | undefined {
    return this.#options.era() === "legacy" ? { exchange: 0, final: false } : undefined;
  }

  #newest(): number | undefined {
    return this.open.findLast(
      (exchange) => !this.isCancelled(exchange) && this.requestOf(exchange)?.method !== LASTING_METHOD,
    );
  }

  /** False while another request holds the id. */
  #claimId(id: JsonRpcId): boolean {
    const holder = this.exchangeOfId(id);
    if (holder === undefined) return true;
    if (!this.isCancelled(holder)) return false;
    // The client uses the id of a call it gave up again: what comes with this id from now on answers the new call.
    this.#options.onTimeout(holder, "cancelled");
    return true;
  }

  #index(exchange: number, { idKey: key, tokenKey }: OpenExchange): void {
    this.#byId.set(key, exchange);
    if (tokenKey !== undefined) this.#byToken.set(tokenKey, exchange);
  }

  #timer(exchange: number, after: Lateness, ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#options.onTimeout(exchange, after), ms);
  }

  #remember(exchange: number): void {
    this.#seen.add(exchange);
    if (this.#seen.size <= REMEMBERED) return;
    const [oldest] = this.#seen;
    if (oldest !== undefined) this.#seen.delete(oldest);
  }
}
