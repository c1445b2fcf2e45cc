import type { SlackDocument } from "../notification-channel.js";
import { type Notice, shortened } from "../notice.js";
import { retryAfterMs } from "../retry-schedule.js";
import type { SendOutcome } from "./sending.js";
import { outcomeOf, type Sending } from "./webhook.js";

export const DENY_ACTION = "drawbridge_deny";
export const OPEN_ACTION = "drawbridge_open";

// Limits of Block Kit: 150 of a header, 2,000 of a field, 10 fields, 3,000 of a text; escaping makes texts longer.
const MAX_TITLE = 150;
const MAX_FIELD = 300;
const MAX_FIELDS = 10;
const MAX_PREVIEW = 2_800;

/** A message with what was asked, a link to where it is decided and, where somebody can be told by it, a button that denies. */
export async function sendSlack(
  channel: SlackDocument,
  message: { readonly notice: Notice; readonly denyValue: string | undefined },
  { http, now, signal }: Sending,
): Promise<SendOutcome> {
  const body = JSON.stringify(slackMessage(message.notice, message.denyValue));
  const headers = { "content-type": "application/json" };
  const { status, retryAfter } = await http.post(channel.webhookUrl, { headers, body }, signal);
  return outcomeOf(status, retryAfterMs(retryAfter, now));
}

export function slackMessage(notice: Notice, denyValue: string | undefined) {
  const { title, facts, preview, link } = notice;
  return {
    // What a notification on a phone shows.
    text: escaped(title, MAX_TITLE),
    blocks: [
      { type: "header", text: plain(title, MAX_TITLE) },
      ...(facts.length > 0 ? [{ type: "section", fields: facts.slice(0, MAX_FIELDS).map(field) }] : []),
      ...(preview === undefined ? [] : [{ type: "section", text: code(preview) }]),
      ...(link === undefined ? [] : [{ type: "actions", elements: buttons(link, denyValue) }]),
    ],
    unfurl_links: false,
    unfurl_media: false,
  };
}

function buttons(link: string, denyValue: string | undefined) {
  const open = {
    type: "button",
    action_id: OPEN_ACTION,
    text: plain("Open to decide", 75),
    url: link,
    style: "primary",
    ...(denyValue === undefined ? {} : { value: denyValue }),
  };
  if (denyValue === undefined) return [open];
  const confirm = {
    title: plain("Deny?", 100),
    text: plain("Whoever asked is told. It cannot be undone.", 300),
    confirm: plain("Deny", 30),
    deny: plain("Cancel", 30),
  };
  const deny = {
    type: "button",
    action_id: DENY_ACTION,
    text: plain("Deny", 75),
    style: "danger",
    value: denyValue,
    confirm,
  };
  return [open, deny];
}

const plain = (text: string, most: number) => ({
  type: "plain_text",
  text: escaped(text, most),
  emoji: false,
});

const field = ([label, value]: readonly [string, string]) =>
  plain(`${label}: ${shortened(value, MAX_FIELD)}`, 2_000);

/** As it is: neither links nor mentions nor an end of the code come of it. */
function code(text: string) {
  // A character of no width between them: three in a row would end it.
  const inert = text.replaceAll("`", "`\u200B");
  return { type: "mrkdwn", text: `\`\`\`\n${escaped(inert, MAX_PREVIEW)}\n\`\`\``, verbatim: true };
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/** Slack's three control characters: by them alone mentions, channels and links are made. At most so long when escaped. */
export function escaped(text: string, most: number): string {
  let result = "";
  for (const character of text.toWellFormed()) {
    const next = ESCAPES[character] ?? character;
    if (result.length + next.length >= most) return `${result}…`;
    result += next;
  }
  return result;
}
