import { createHmac, timingSafeEqual } from "node:crypto";

/** A request of Slack is not older than this, so that one that was overheard is soon of no use. */
export const SLACK_SIGNATURE_VALID_MS = 5 * 60_000;

export interface SlackSigned {
  readonly timestamp: string;
  readonly signature: string;
  readonly body: Uint8Array;
}

/** Slack's request signing, version v0. */
export function isSignedBySlack(signed: SlackSigned, secret: string, now: Date): boolean {
  const { timestamp, signature, body } = signed;
  if (!/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(now.getTime() - Number(timestamp) * 1_000) > SLACK_SIGNATURE_VALID_MS) return false;
  const expected = createHmac("sha256", secret).update(`v0:${timestamp}:`).update(body).digest("hex");
  const given = Buffer.from(signature);
  const wanted = Buffer.from(`v0=${expected}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
