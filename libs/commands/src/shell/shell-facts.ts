import { refusedUnparsed } from "../command-texts.js";
import type { ShellFacts } from "../facts.js";
import { unreadShell } from "../unread-facts.js";
import { NOT_FED } from "./analysis.js";
import { Found } from "./found.js";
import { Line } from "./line.js";
import { UnreadableLine } from "./unreadable-line.js";
import { WorkLimits } from "./work-limits.js";

/**
 * What is known of shell lines: of several, what holds of any of them (`parsed` and `readOnly`: of all). Never throws.
 * They may be for bash or another shell of its family, at a terminal or not: what one of them would do counts.
 */
export function shellFacts(texts: readonly string[]): ShellFacts {
  const refused = refusedUnparsed(texts) ?? refusedCharacters(texts);
  if (refused !== undefined) return unreadShell(refused);
  const shared = { found: new Found(), limits: new WorkLimits() };
  try {
    for (const text of texts) new Line(text, shared).walk(text, NOT_FED);
  } catch (error) {
    // Running out of stack, or a fault of the parser, is no reason to let a line through.
    return unreadShell(error instanceof UnreadableLine ? error.message : "it could not be looked into");
  }
  return shared.found.facts();
}

/** At a terminal a carriage return ends a line, and other control characters edit it: what runs is not what is seen. */
function refusedCharacters(texts: readonly string[]): string | undefined {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;
  return texts.some((text) => control.test(text)) ? "it has control characters" : undefined;
}
