import { isIP, type Socket } from "node:net";
import { createTransport } from "nodemailer";
import type { EmailDocument } from "../notification-channel.js";
import { type Notice, shortened } from "../notice.js";
import type { SendOutcome } from "./sending.js";

const TIMEOUT_MS = 8_000;
const MAX_SUBJECT = 200;

export interface SendingMail {
  /** Opens the connection to the mail server. */
  readonly connect: (server: { host: string; port: number }, signal: AbortSignal) => Promise<Socket>;
  readonly signal: AbortSignal;
}

/** A message to all of its addresses, as text and as HTML. */
export async function sendEmail(
  channel: EmailDocument,
  notice: Notice,
  { connect, signal }: SendingMail,
): Promise<SendOutcome> {
  const options = smtpOptions(channel.smtpUrl);
  const transport = createTransport({
    ...options,
    getSocket: (_options, callback) => {
      connect(options, signal).then(
        (connection) => callback(null, { connection }),
        (error: Error) => callback(error),
      );
    },
  });
  const cut = () => transport.close();
  signal.addEventListener("abort", cut, { once: true });
  try {
    const { rejected } = await transport.sendMail({
      from: { name: "Drawbridge", address: channel.from },
      to: channel.to.map((address) => ({ name: "", address })),
      subject: subjectOf(notice),
      text: textOf(notice),
      html: htmlOf(notice),
      // The same for each attempt, so that a repeat is seen to be one.
      messageId: `<${notice.id}@${domainOf(channel.from)}>`,
      headers: { "Auto-Submitted": "auto-generated" },
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    if (rejected.length === 0) return { result: "delivered" };
    return { result: "failed", error: `the mail server refused ${rejected.length} of the addresses` };
  } finally {
    signal.removeEventListener("abort", cut);
    transport.close();
  }
}

/** Encrypted, unless the server is this host or the URL says that it is not (`?tls=off`). */
export function smtpOptions(smtpUrl: string) {
  const url = new URL(smtpUrl);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const secure = url.protocol === "smtps:";
  const isOff = url.searchParams.get("tls") === "off";
  const user = decodeURIComponent(url.username);
  return {
    host,
    port: url.port === "" ? (secure ? 465 : 587) : Number(url.port),
    secure,
    requireTLS: !secure && !isOff && !isLoopback(host),
    ignoreTLS: !secure && isOff,
    ...(user === "" ? {} : { auth: { user, pass: decodeURIComponent(url.password) } }),
    ...(isIP(host) === 0 ? { tls: { servername: host } } : {}),
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    dnsTimeout: TIMEOUT_MS,
  };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1);
}

/** One line, whatever is in it: a line break would begin another header. */
function subjectOf({ title, data }: Notice): string {
  const about = [data["target"], data["name"]].filter((part) => typeof part === "string").join(" ");
  const line = `[Drawbridge] ${title}${about === "" ? "" : `: ${about}`}`;
  return shortened(line.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim(), MAX_SUBJECT);
}

function textOf({ title, facts, preview, link }: Notice): string {
  return [
    title,
    "",
    ...facts.map(([label, value]) => `${label}: ${oneLine(value)}`),
    ...(preview === undefined
      ? []
      : [
          "",
          "What would run (secrets are masked):",
          ...preview.split(/\r\n|[\p{Cc}\p{Zl}\p{Zp}]/u).map((line) => `    ${line}`),
        ]),
    ...(link === undefined ? [] : ["", `Open it: ${link}`]),
    "",
  ].join("\n");
}

// A value must not pass for a line of ours.
const oneLine = (text: string) => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");

function htmlOf({ title, facts, preview, link }: Notice): string {
  const rows = facts.map(
    ([label, value]) => `<tr><th align="left">${html(label)}</th><td>${html(oneLine(value))}</td></tr>`,
  );
  return [
    `<!doctype html><html><body><h1>${html(title)}</h1>`,
    `<table>${rows.join("")}</table>`,
    ...(preview === undefined
      ? []
      : [`<p>What would run (secrets are masked):</p><pre>${html(preview)}</pre>`]),
    ...(link === undefined ? [] : [`<p><a href="${html(link)}">Open it</a></p>`]),
    `</body></html>`,
  ].join("\n");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function html(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
