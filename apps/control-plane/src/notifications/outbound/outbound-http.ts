import dns from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { Agent, request } from "undici";
import { AllowedReceivers } from "./public-address.js";

const CONNECT_TIMEOUT_MS = 5_000;
const MAX_READ_BYTES = 64 * 1024;

/** A receiver that must not be sent to. */
export class RefusedReceiverError extends Error {
  override readonly name = "RefusedReceiverError";
}

export interface OutboundAnswer {
  readonly status: number;
  /** The header Retry-After, as it came. */
  readonly retryAfter: string | undefined;
}

/** Finds the addresses of a host; `dns.lookup` but in tests. */
export type FindAddresses = (host: string) => Promise<readonly string[]>;

const findAddresses: FindAddresses = async (host) =>
  (await dns.promises.lookup(host, { all: true })).map(({ address }) => address);

/**
 * Posts to receivers outside: whoever sets up a channel names the address, and must not reach by it what only the control
 * plane can reach. The connection goes to the very address that was judged, a redirect is an answer like any other, and
 * what the receiver says is thrown away.
 */
export class OutboundHttp {
  private readonly agent: Agent;

  constructor(
    private readonly allowed: AllowedReceivers,
    private readonly find: FindAddresses = findAddresses,
  ) {
    const lookup: LookupFunction = (host, options, callback) => {
      this.judged(host).then(
        (addresses) => {
          const [first = { address: "", family: 4 }] = addresses;
          if (options.all) callback(null, addresses);
          else callback(null, first.address, first.family);
        },
        (error: unknown) => callback(error as Error, [], 0),
      );
    };
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
    const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
    if (isIP(host) !== 0 && !this.allowed.allowsAddress(host)) throw refused(host);
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  private async judged(host: string): Promise<{ address: string; family: number }[]> {
    const addresses = await this.find(host);
    if (addresses.length === 0) throw new Error(`the host ${host} has no address`);
    const anyIsAllowed = this.allowed.allowsHost(host);
    // One that is not allowed among others is no oversight.
    const bad = anyIsAllowed ? undefined : addresses.find((address) => !this.allowed.allowsAddress(address));
    if (bad !== undefined) throw refused(host);
    return addresses.map((address) => ({ address, family: isIP(address) }));
  }
}

function refused(host: string): RefusedReceiverError {
  return new RefusedReceiverError(
    `${host} is not a public address; DRAWBRIDGE_NOTIFY_ALLOW names the private ones that may be sent to`,
  );
}
