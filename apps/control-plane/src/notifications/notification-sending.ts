import { Inject, Injectable } from "@nestjs/common";
import { CONFIG, type Config } from "../config.js";
import { Clock } from "../platform/clock.js";
import { sendEmail } from "./channels/email.js";
import type { SendOutcome } from "./channels/sending.js";
import { sendSlack } from "./channels/slack.js";
import { sendWebhook } from "./channels/webhook.js";
import { type Notice, noticeOf } from "./notice.js";
import type { ChannelDocument, NotificationChannel, SlackDocument } from "./notification-channel.js";
import { NotificationChannelsRepository } from "./notification-channels.repository.js";
import type { NotificationDelivery } from "./notification-deliveries.repository.js";
import { NotificationOutbound } from "./notification-outbound.js";
import { NotifiedApprovals } from "./notified-approvals.js";

const ATTEMPT_TIMEOUT_MS = 10_000;
const MAX_ERROR = 300;

/** One attempt: what is said is made at this moment, so that it is how things are now. */
@Injectable()
export class NotificationSending {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly channels: NotificationChannelsRepository,
    private readonly approvals: NotifiedApprovals,
    private readonly outbound: NotificationOutbound,
    private readonly clock: Clock,
  ) {}

  /** Never throws, and takes no longer than 10 seconds. */
  async send(channel: NotificationChannel, delivery: NotificationDelivery): Promise<SendOutcome> {
    let secrets: readonly string[] = [];
    try {
      const document = this.channels.unseal(channel);
      secrets = secretsOf(document);
      const signal = AbortSignal.timeout(ATTEMPT_TIMEOUT_MS);
      return await orAbort(this.sendAs(document, { channel, delivery, signal }), signal);
    } catch (error) {
      return { result: "failed", error: errorText(error, secrets) };
    }
  }

  private async sendAs(
    document: ChannelDocument,
    what: { channel: NotificationChannel; delivery: NotificationDelivery; signal: AbortSignal },
  ): Promise<SendOutcome> {
    const { channel, delivery, signal } = what;
    const notice = await this.noticeOf(delivery);
    const sending = { http: this.outbound.http, now: this.clock.now(), signal };
    switch (document.kind) {
      case "webhook":
        return sendWebhook(document, notice, sending);
      case "slack":
        return sendSlack(document, { notice, denyValue: this.denyValue(channel, document, notice) }, sending);
      case "email":
        return sendEmail(document, notice, {
          connect: (server, until) => this.outbound.mail.connect(server, until),
          signal,
        });
    }
  }

  private async noticeOf(delivery: NotificationDelivery): Promise<Notice> {
    const isApproval = delivery.kind.startsWith("approval.");
    const approval = isApproval ? await this.approvals.of(delivery.subject) : undefined;
    return noticeOf(delivery, approval, this.config.publicUrl);
  }

  /** Only where pressing it can do something. */
  private denyValue(
    { id }: NotificationChannel,
    { signingSecret, users }: SlackDocument,
    { open, subject }: Notice,
  ): string | undefined {
    if (!open || signingSecret === undefined || users === undefined) return undefined;
    return this.outbound.denyValues.make({ channel: id, approval: subject });
  }
}

function orAbort<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(new Error("the receiver did not answer within 10 s")), {
      once: true,
    });
  });
  return Promise.race([work, aborted]);
}

function secretsOf(document: ChannelDocument): string[] {
  switch (document.kind) {
    case "webhook": {
      const { pathname, search } = new URL(document.url);
      return [document.secret, document.url, pathname, search];
    }
    case "slack": {
      const { pathname, search } = new URL(document.webhookUrl);
      return [document.webhookUrl, pathname, search];
    }
    case "email": {
      const { username, password } = new URL(document.smtpUrl);
      const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
      // As they are said to the server (RFC 4616, and AUTH LOGIN), which may repeat what it was told.
      const said = [`\0${user}\0${pass}`, pass, user].map((text) => Buffer.from(text).toString("base64"));
      return [...said, password, pass, username, user];
    }
  }
}

/** What is kept of an error and shown: one short line without secrets. */
function errorText(error: unknown, secrets: readonly string[]): string {
  let text = error instanceof Error ? describe(error) : "the attempt failed";
  for (const secret of secrets) {
    // Of a path such as / nothing is secret.
    if (secret.length > 3) text = text.replaceAll(secret, "[secret]");
  }
  return text
    .replaceAll(/\p{Cc}+/gu, " ")
    .slice(0, MAX_ERROR)
    .toWellFormed();
}

function describe(error: Error): string {
  // Several addresses were tried: each says why not.
  if (error instanceof AggregateError && error.message === "")
    return error.errors.map((inner) => (inner instanceof Error ? inner.message : "")).join("; ");
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
