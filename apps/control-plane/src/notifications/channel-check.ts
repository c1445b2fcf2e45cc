import type { ApplyNotificationChannel } from "@drawbridge/contracts";
import { DomainError } from "../platform/errors.js";

/** What a schema does not see. @throws DomainError notification_channel_invalid */
export function requireUsable(name: string, document: ApplyNotificationChannel): void {
  if (document.name !== name)
    throw invalid(`the document names the channel ${document.name}, the address ${name}`);
  if (document.kind === "email") requireMailServer(document.smtpUrl);
  else requirePlainUrl(document.kind === "slack" ? document.webhookUrl : document.url);
}

function requirePlainUrl(text: string): void {
  const { username, password } = new URL(text);
  if (username !== "" || password !== "") throw invalid("a user name in the URL is not sent; leave it out");
}

function requireMailServer(text: string): void {
  const url = new URL(text);
  if (url.hostname === "") throw invalid("the SMTP URL names no host; use smtp://user:password@host:587");
  const unknown = [...url.searchParams].filter(([name, value]) => name !== "tls" || value !== "off");
  if (unknown.length > 0) throw invalid("behind the ? of an SMTP URL there may be tls=off only");
  for (const part of [url.username, url.password]) {
    try {
      decodeURIComponent(part);
    } catch {
      throw invalid("the user or password of the SMTP URL is not URL-encoded");
    }
  }
}

function invalid(message: string): DomainError {
  return new DomainError("notification_channel_invalid", message);
}
