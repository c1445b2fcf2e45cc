import { createHash } from "node:crypto";
import { Injectable, Logger } from "@nestjs/common";
import { z } from "zod";
import { Clock } from "../../platform/clock.js";
import { DomainError } from "../../platform/errors.js";
import { IdempotencyKeys } from "../../platform/idempotency-keys.js";
import { escaped, DENY_ACTION } from "../channels/slack.js";
import type { NotificationChannel, SlackDocument } from "../notification-channel.js";
import { NotificationChannelsRepository } from "../notification-channels.repository.js";
import { NotificationOutbound } from "../notification-outbound.js";
import { isSignedBySlack, type SlackSigned } from "./slack-signature.js";
import { SlackDenials } from "./slack-denials.js";

const ANSWER_TIMEOUT_MS = 10_000;
const MAX_ANSWER = 1_000;

const Pressed = z.object({
  type: z.literal("block_actions"),
  user: z.object({ id: z.string().max(64) }),
  response_url: z
    .url({ protocol: /^https?$/ })
    .max(2_000)
    .optional(),
  actions: z.array(z.object({ action_id: z.string(), value: z.string().max(2_000) })).length(1),
});

interface Press {
  readonly channel: NotificationChannel;
  readonly document: SlackDocument;
  readonly user: string;
  readonly action: string;
  readonly approval: string;
  readonly answerTo: string | undefined;
}

/** What Slack says of buttons that were pressed. Denying is all that can be done by one. */
@Injectable()
export class SlackInteractions {
  private readonly logger = new Logger("notifications");

  constructor(
    private readonly channels: NotificationChannelsRepository,
    private readonly outbound: NotificationOutbound,
    private readonly denials: SlackDenials,
    private readonly taken: IdempotencyKeys,
    private readonly clock: Clock,
  ) {}

  /** @throws DomainError for what Slack has not signed, or signed before */
  async take(signed: SlackSigned): Promise<void> {
    const press = await this.verified(signed);
    let answer: string | undefined;
    let isFirst = false;
    const scope = {
      principal: `slack:${press.channel.id}`,
      route: "slack/interactions",
      key: createHash("sha256").update(signed.signature).digest("hex"),
    };
    await this.taken.once(scope, null, async () => {
      isFirst = true;
      answer = press.action === DENY_ACTION ? await this.deny(press) : undefined;
      return { status: 200, body: null };
    });
    if (!isFirst) throw new DomainError("idempotency_key_reused", "this request of Slack was taken before");
    if (answer !== undefined && press.answerTo !== undefined) void this.answer(press.answerTo, answer);
  }

  /** Says the same of everything that is not as Slack and this channel would have it. */
  private async verified(signed: SlackSigned): Promise<Press> {
    const press = await this.read(signed.body);
    const secret = press?.document.signingSecret;
    if (press && secret !== undefined && isSignedBySlack(signed, secret, this.clock.now())) return press;
    throw new DomainError(
      "token_invalid",
      "this is not signed by Slack for a channel of ours, or is too old",
    );
  }

  /** The value of the button says which channel it is of: only this one's secret counts, and nobody else can name one. */
  private async read(body: Uint8Array): Promise<Press | undefined> {
    const said = Pressed.safeParse(payloadOf(body));
    const [action] = said.data?.actions ?? [];
    const value = action && this.outbound.denyValues.read(action.value);
    if (!said.data || !action || !value) return undefined;
    const channel = await this.channels.byId(value.channel);
    if (!channel?.enabled) return undefined;
    const document = this.channels.unseal(channel);
    if (document.kind !== "slack") return undefined;
    return {
      channel,
      document,
      user: said.data.user.id,
      action: action.action_id,
      approval: value.approval,
      answerTo: said.data.response_url,
    };
  }

  private async deny({ document, user, approval }: Press): Promise<string> {
    const { users = {} } = document;
    const principal = Object.hasOwn(users, user) ? users[user] : undefined;
    return this.denials.deny(principal, approval);
  }

  /** Only the one who pressed it sees it. */
  private async answer(to: string, text: string): Promise<void> {
    const body = JSON.stringify({
      response_type: "ephemeral",
      replace_original: false,
      text: escaped(text, MAX_ANSWER),
    });
    const message = { headers: { "content-type": "application/json" }, body };
    try {
      await this.outbound.http.post(to, message, AbortSignal.timeout(ANSWER_TIMEOUT_MS));
    } catch (error) {
      this.logger.warn("Slack could not be answered", error instanceof Error ? error.message : undefined);
    }
  }
}

function payloadOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new URLSearchParams(Buffer.from(body).toString("utf8")).get("payload") ?? "");
  } catch {
    return undefined;
  }
}
