import type { LiveEvent } from "./event-stream.js";
import { shortId } from "./short-ids.js";
import { oneLine } from "./terminal-text.js";
import { timeOfDay } from "./times.js";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** One line about one event: when, what, about what, and all that was told of it. */
export function eventLine({ at, kind, subject, data }: LiveEvent): string {
  const about = UUID.test(subject) ? shortId(subject) : subject;
  const facts = Object.entries(data)
    .filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => `${name}=${valueText(value)}`);
  return oneLine([timeOfDay(at).slice(0, 8), kind, about, ...facts].join("  "));
}

/** A text with a space or a quote in it gets quotes: nobody can make one fact look like two. */
function valueText(value: string | number | boolean | null): string {
  const text = String(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
