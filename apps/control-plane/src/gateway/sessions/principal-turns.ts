import { RpcErrorCode } from "@drawbridge/mcp";
import { GatewayError } from "../gateway-error.js";

const MAX_WAITING = 100;

/**
 * What one principal may do only once at a time, one after the other. The database has a lock for it, but whoever waits
 * there takes one of the few connections that all principals share.
 */
export class PrincipalTurns {
  private readonly waiting = new Map<string, { count: number; last: Promise<unknown> }>();

  /** @throws GatewayError 429 when too much waits already, and what `work` throws */
  async of<Result>(principal: string, work: () => Promise<Result>): Promise<Result> {
    const line = this.waiting.get(principal) ?? { count: 0, last: Promise.resolve() };
    if (line.count >= MAX_WAITING) throw tooMany();
    const turn = line.last.then(work);
    line.count += 1;
    line.last = turn.catch(() => undefined);
    this.waiting.set(principal, line);
    try {
      return await turn;
    } finally {
      line.count -= 1;
      if (line.count === 0) this.waiting.delete(principal);
    }
  }
}

function tooMany(): GatewayError {
  const message = "too many of your sessions are being opened; try again in a moment";
  const headers = { "Retry-After": "1" };
  return new GatewayError({ status: 429, code: RpcErrorCode.TooManyRequests, message, headers });
}
