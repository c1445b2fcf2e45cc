import type { Hold } from "../../limits/index.js";
import { GatewayError } from "../gateway-error.js";
import type { Exchange, GatewaySession } from "../sessions/gateway-session.js";

/** Nothing of the exchange is waited for any more. */
export async function giveUp(session: GatewaySession, exchange: Exchange, error: unknown): Promise<void> {
  session.finish(exchange);
  await giveBack(exchange.hold, error);
}

/** Of what is refused it is certain that it was not sent. */
export async function giveBack(hold: Hold | undefined, error: unknown): Promise<void> {
  await (error instanceof GatewayError ? hold?.giveBack() : hold?.release());
}

/** On the stream that the client has now; the one that it asked on is over. */
export async function tellWhoCameBack({ reply, id }: Exchange, error: unknown): Promise<void> {
  if (error instanceof GatewayError) await reply.finish(error.body(id));
  else reply.abandon();
}
