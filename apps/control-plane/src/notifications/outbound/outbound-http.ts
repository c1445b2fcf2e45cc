import { Agent, request } from "undici";
import {
  type FindAddresses,
  findAddresses,
  type Judging,
  judgedLookup,
  RefusedReceiverError,
  requireGoodAddress,
} from "./judged-addresses.js";
import type { AllowedReceivers } from "./public-address.js";

const CONNECT_TIMEOUT_MS = 5_000;
const MAX_READ_BYTES = 64 * 1024;

export interface OutboundAnswer {
  readonly status: number;
  /** The header Retry-After, as it came. */
  readonly retryAfter: string | undefined;
}

/**
 * Posts to receivers outside: whoever sets up a channel names the address, and must not reach by it what only the control
 * plane can reach. The connection goes to the very address that was judged, a redirect is an answer like any other, and
 * what the receiver says is thrown away.
 */
export class OutboundHttp {
  private readonly agent: Agent;
  private readonly judging: Judging;

  constructor(allowed: AllowedReceivers, find: FindAddresses = findAddresses) {
    const isGood = (address: string) => allowed.allowsAddress(address);
    this.judging = { allowed, isGood, find, refusal: refused };
    const lookup = judgedLookup(this.judging);
    // A connection for each message: a receiver is judged each time.
    this.agent = new Agent({ pipelining: 0, connect: { lookup, timeout: CONNECT_TIMEOUT_MS } });
  }

  /** @throws RefusedReceiverError, and what the network says */
  async post(
    url: string,
    message: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
    signal: AbortSignal,
  ): Promise<OutboundAnswer> {
    this.requireAddress(url);
    const { statusCode, headers, body } = await request(url, {
      method: "POST",
      headers: { "user-agent": "drawbridge", ...message.headers },
      body: message.body,
      dispatcher: this.agent,
      signal,
    });
    // Whether all of it came does not matter any more.
    await body.dump({ limit: MAX_READ_BYTES, signal }).catch(() => undefined);
    const retryAfter = headers["retry-after"];
    return { status: statusCode, retryAfter: typeof retryAfter === "string" ? retryAfter : undefined };
  }

  /** Of a URL that names an address. One that names a host is judged when it is resolved. @throws RefusedReceiverError */
  requireAddress(url: string): void {
    requireGoodAddress(new URL(url).hostname.replace(/^\[|\]$/g, ""), this.judging);
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }
}

function refused(host: string): RefusedReceiverError {
  return new RefusedReceiverError(
    `${host} is not a public address; DRAWBRIDGE_NOTIFY_ALLOW names the private ones that may be sent to`,
  );
}
