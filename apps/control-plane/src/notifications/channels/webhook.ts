import { createHmac } from "node:crypto";
import type { WebhookDocument } from "../notification-channel.js";
import type { Notice } from "../notice.js";
import type { OutboundHttp } from "../outbound/outbound-http.js";
import { retryAfterMs } from "../retry-schedule.js";
import type { SendOutcome } from "./sending.js";

export interface Sending {
  readonly http: Pick<OutboundHttp, "post">;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/** A message by the Standard Webhooks specification, 1.0.0; its id is the same for each attempt. */
export async function sendWebhook(
  channel: WebhookDocument,
  notice: Notice,
  { http, now, signal }: Sending,
): Promise<SendOutcome> {
  const body = webhookBody(notice);
  const timestamp = String(Math.floor(now.getTime() / 1_000));
  const headers = {
    "content-type": "application/json",
    "webhook-id": notice.id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${signatureOf(channel.secret, `${notice.id}.${timestamp}.${body}`)}`,
  };
  const { status, retryAfter } = await http.post(channel.url, { headers, body }, signal);
  return outcomeOf(status, retryAfterMs(retryAfter, now));
}

export function webhookBody({ kind, subject, at, data, preview, link }: Notice): string {
  const shown = preview === undefined ? {} : { preview };
  const linked = link === undefined ? {} : { link };
  return JSON.stringify({ type: kind, timestamp: at, data: { ...data, ...shown, ...linked, subject } });
}

/** 2xx alone is delivered. 410 is how a receiver says that it does not want any more. */
export function outcomeOf(status: number, askedMs: number | undefined): SendOutcome {
  if (status >= 200 && status < 300) return { result: "delivered" };
  if (status === 410) return { result: "gone", error: "the receiver wants nothing more (410)" };
  return { result: "failed", error: `the receiver answered ${status}`, retryAfterMs: askedMs };
}

const PREFIX = "whsec_";

function signatureOf(secret: string, signed: string): string {
  const key = Buffer.from(secret.slice(PREFIX.length), "base64");
  return createHmac("sha256", key).update(signed).digest("base64");
}
