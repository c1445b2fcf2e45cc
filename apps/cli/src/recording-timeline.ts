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
export function eventLines(event: Event, full: boolean): string[] {
  const { payload, payloadEncoding, attributes } = event;
  const lines: string[] = [];
  if (full) {
    for (const [name, value] of Object.entries(attributes)) {
      lines.push(`${INDENT}${oneLine(name)}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
    }
  }
  const size = storedSize(attributes["stored"]);
  if (size !== undefined) {
    lines.push(`${INDENT}${size}; the whole of it: recordings export … --event ${event.index}`);
  }
  if (payloadEncoding === "base64") lines.push(`${INDENT}not text; in base64:`);
  if (payload !== undefined && payload !== "") {
    const text = full ? indentedJson(payload) : shortened(oneLine(payload), PAYLOAD_LENGTH);
    lines.push(text.replaceAll(/^/gm, INDENT));
  }
  return lines;
}

/** `100.0 MB in 400 parts`: of what is too large to be in one event. */
function storedSize(stored: unknown): string | undefined {
  if (typeof stored !== "object" || stored === null) return undefined;
  const { bytes, parts } = stored as Record<string, unknown>;
  if (typeof bytes !== "number") return undefined;
  const size = `${(bytes / 1_000_000).toFixed(1)} MB`;
  return typeof parts === "number" ? `${size} in ${parts} ${parts === 1 ? "part" : "parts"}` : size;
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
