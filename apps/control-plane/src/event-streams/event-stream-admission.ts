import type { IncomingMessage } from "node:http";
import { Inject, Injectable } from "@nestjs/common";
import { EVENTS_PROTOCOL, EventStreamQuery } from "@drawbridge/contracts";
import { CONFIG, type Config } from "../config.js";
import { readEventCursor } from "../events/index.js";
import { isPermitted, type Principal, TokenError, tokenRefusal, TokenVerifier } from "../identity/index.js";
import { LiveLocks } from "../locks/index.js";
import { Clock } from "../platform/clock.js";
import { Database } from "../platform/database.js";
import { readEpoch } from "../platform/epoch-snapshot.js";
import { DomainError } from "../platform/errors.js";
import type { EventListening } from "./event-stream.js";

const PATH = "/api/v1/events";
const BEARER = "bearer.";

/** Who may open an event stream. The token comes in a header, never in the address: that is written into logs. */
@Injectable()
export class EventStreamAdmission {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly tokens: TokenVerifier,
    private readonly locks: LiveLocks,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** @throws DomainError */
  async admit(request: IncomingMessage): Promise<EventListening> {
    const url = URL.parse(request.url ?? "", "http://internal");
    if (url?.pathname !== PATH) throw new DomainError("not_found", "there is no WebSocket at this address");
    this.checkOrigin(request.headers.origin);
    const principal = await this.authenticate(authorizationOf(request));
    if (!isPermitted(principal.roles, "event:read"))
      throw new DomainError("not_permitted", "this needs the permission event:read");
    await this.checkLocks(principal);
    return { principal, ...readQuery(url.searchParams) };
  }

  /** Web pages say where they come from; other clients say nothing. */
  private checkOrigin(origin: string | undefined): void {
    if (origin === undefined || this.config.allowedOrigins.includes(origin)) return;
    throw new DomainError(
      "not_permitted",
      "pages of this origin may not open it; DRAWBRIDGE_ALLOWED_ORIGINS names those that may",
    );
  }

  private async authenticate(authorization: string | undefined): Promise<Principal> {
    try {
      return await this.tokens.verify(authorization, "api");
    } catch (error) {
      throw error instanceof TokenError ? tokenRefusal(error) : error;
    }
  }

  private async checkLocks({ id, client }: Principal): Promise<void> {
    const { value } = await this.locks.atLeast(await readEpoch(this.database));
    const lock = value.on({ principal: id, client }, this.clock.now());
    if (lock) throw new DomainError("locked", `you are locked out: ${lock.reason}`);
  }
}

/** A browser cannot set Authorization: it offers the token as a subprotocol beside the one that is chosen. */
function authorizationOf({ headers }: IncomingMessage): string | undefined {
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((protocol) => protocol.trim());
  if (!offered.includes(EVENTS_PROTOCOL))
    throw new DomainError("invalid_request", `offer the subprotocol ${EVENTS_PROTOCOL}`);
  const [token, another] = offered.filter((protocol) => protocol.startsWith(BEARER));
  if (token === undefined) return headers.authorization;
  if (another !== undefined || headers.authorization !== undefined)
    throw new DomainError("invalid_request", "give one token, once");
  return `Bearer ${token.slice(BEARER.length)}`;
}

function readQuery(parameters: URLSearchParams): Pick<EventListening, "after" | "kinds"> {
  const parsed = EventStreamQuery.safeParse(Object.fromEntries(parameters));
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
    throw new DomainError("invalid_request", "the query does not have the expected shape", problems);
  }
  const { after, kinds } = parsed.data;
  return { kinds, after: after === undefined ? undefined : readEventCursor(after) };
}
