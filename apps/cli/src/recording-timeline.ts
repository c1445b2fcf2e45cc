import type { RecordingEventView } from "@drawbridge/contracts";
import { indentedJson } from "./indented-json.js";
import { oneLine, shortened } from "./terminal-text.js";
import { timeOfDay } from "./times.js";

type Event = ReturnType<typeof RecordingEventView.parse>;

const ARROW = { client_to_target: "→", target_to_client: "←", none: "·" } as const satisfies Record<
  Event["direction"],
  string
>;
const PAYLOAD_LENGTH = 160;
const KIND_WIDTH = 16;
const INDENT = " ".repeat(20);

/** `22:31:04.120  →  request           tools/call execute_sql  allow by shop-read/select  masked 3 card, 1 email` */
export function eventTitle(event: Event): string {
  const subject = [event.method, event.name].filter((part) => part !== undefined).join(" ");
  return [
    timeOfDay(event.at),
    ARROW[event.direction],
    event.kind.replaceAll("_", " ").padEnd(KIND_WIDTH),
    subject,
    decisionText(event.attributes["decision"]),
    maskedText(event.attributes["masked"]),
  ]
    .filter((part) => part !== "")
    .join("  ")
    .trimEnd();
}

/** What stands below the title: the payload and, in full, everything that is known beside it. */
export function eventLines({ payload, payloadEncoding, attributes }: Event, full: boolean): string[] {
  const lines: string[] = [];
  if (full) {
    for (const [name, value] of Object.entries(attributes)) {
      lines.push(`${INDENT}${oneLine(name)}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
    }
  }
  if (payloadEncoding === "base64") lines.push(`${INDENT}not text; in base64:`);
  if (payload !== undefined && payload !== "") {
    const text = full ? indentedJson(payload) : shortened(oneLine(payload), PAYLOAD_LENGTH);
    lines.push(text.replaceAll(/^/gm, INDENT));
  }
  return lines;
}

/** Which rule decided; without one, why it was refused. */
function decisionText(decision: unknown): string {
  if (typeof decision !== "object" || decision === null) return "";
  const { effect, policy, rule, reason } = decision as Record<string, unknown>;
  if (typeof effect !== "string") return "";
  const by = [policy, rule].filter((part) => typeof part === "string").join("/");
  if (by !== "") return `${effect} by ${by}`;
  return typeof reason === "string" ? `${effect} (${reason})` : effect;
}

/** A count, or counts by detector. */
function maskedText(masked: unknown): string {
  if (typeof masked === "number") return masked > 0 ? `masked ${masked}` : "";
  if (typeof masked !== "object" || masked === null) return "";
  const counts = Object.entries(masked).map(([detector, number]) => `${String(number)} ${detector}`);
  return counts.length === 0 ? "" : `masked ${counts.join(", ")}`;
}
