import type { IncomingMessage } from "node:http";
import { Controller, HttpCode, Post, Req } from "@nestjs/common";
import { DomainError } from "../../platform/errors.js";
import { Public } from "../../platform/public-route.js";
import { SlackInteractions } from "./slack-interactions.js";

const MAX_BODY_BYTES = 64 * 1024;

/** Where Slack says which button was pressed. Public, because Slack signs what it sends and has no token of ours. */
@Controller("api/v1/slack/interactions")
export class SlackInteractionsController {
  constructor(private readonly interactions: SlackInteractions) {}

  @Post()
  @Public()
  @HttpCode(200)
  async interact(@Req() request: IncomingMessage): Promise<void> {
    const { headers } = request;
    if (!headers["content-type"]?.startsWith("application/x-www-form-urlencoded"))
      throw new DomainError("invalid_request", "Slack sends application/x-www-form-urlencoded");
    const header = (name: string) => [headers[name]].flat().join("");
    await this.interactions.take({
      timestamp: header("x-slack-request-timestamp"),
      signature: header("x-slack-signature"),
      body: await bodyOf(request),
    });
  }
}

/** As it came: that is what is signed. */
async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MAX_BODY_BYTES) throw new DomainError("payload_too_large", "the body is larger than 64 KiB");
    parts.push(part);
  }
  return Buffer.concat(parts);
}
