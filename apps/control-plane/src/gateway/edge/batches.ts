import { Injectable } from "@nestjs/common";
import { eraOf, errorResponse, MalformedMessageError, type McpMessage } from "@drawbridge/mcp";
import { BatchReply, type BatchedReply } from "../replies/batch-reply.js";
import { refused } from "./client-request.js";
import { ClientTraffic } from "../traffic/client-traffic.js";
import type { Incoming } from "../traffic/incoming.js";
import type { GatewayError } from "../gateway-error.js";
import type { Reply } from "../replies/reply.js";

// The one revision that has batches.
const BATCH_REVISION = "2025-03-26";

/** A batch on its way in, with who sent it into which session. */
export interface IncomingBatch extends Pick<Incoming, "session" | "target" | "principal" | "body"> {
  readonly reply: Reply;
  readonly messages: readonly (McpMessage | MalformedMessageError)[];
  /** What is told of an error. */
  readonly refusalOf: (error: unknown) => GatewayError;
}

/** Takes batches apart: each message is decided, recorded and sent on its own, and fails on its own. */
@Injectable()
export class Batches {
  constructor(private readonly clients: ClientTraffic) {}

  /** @throws GatewayError when there may be no such batch; nothing of it was passed on then */
  async accept(batch: IncomingBatch): Promise<void> {
    const { session, messages, reply } = batch;
    if (session.protocolVersion !== BATCH_REVISION)
      throw refused(400, `batches are for the MCP revision ${BATCH_REVISION}; send each message on its own`);
    if (messages.some(mayNotBeBatched))
      throw refused(400, "neither initialize nor a message of 2026-07-28 may be in a batch; send it alone");
    const answer = new BatchReply(reply, messages.length);
    // All begin in the order they came in; none waits for another's answer.
    await Promise.all(messages.map((message) => this.element(batch, message, answer.element())));
  }

  private async element(
    { session, target, principal, body, refusalOf }: IncomingBatch,
    message: McpMessage | MalformedMessageError,
    reply: BatchedReply,
  ): Promise<void> {
    if (message instanceof MalformedMessageError) {
      await reply.finish(
        errorResponse(message.id ?? null, { code: message.rpcCode, message: message.message }),
      );
      return;
    }
    try {
      await this.clients.accept({ session, target, principal, body, message, reply, isBatched: true });
    } catch (error) {
      const refusal = refusalOf(error);
      if (message.kind === "request") await reply.finish(refusal.body(message.id));
      else await reply.refuse(refusal);
    }
  }
}

function mayNotBeBatched(message: McpMessage | MalformedMessageError): boolean {
  if (message instanceof MalformedMessageError) return false;
  return eraOf(message) === "modern" || ("method" in message && message.method === "initialize");
}
