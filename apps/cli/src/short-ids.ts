import { CliError, usageError } from "./errors.js";
import { oneLine } from "./terminal-text.js";

const SHOWN = 8;
const WHOLE = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const PART = /^[0-9a-f]{6,12}$/;
/** Beyond this many a part of an id is not looked for. */
export const SEARCHED = 1000;

/** What lists show of an id: its end. The beginning is the time, the same for all that came in one minute. */
export function shortId(id: string): string {
  return id.slice(-SHOWN);
}

interface Lookup {
  /** What it is the id of, such as `approval`. */
  readonly what: string;
  /** Where to look, the likeliest first; the first place that knows such an id is the last that is asked. */
  readonly places: readonly (() => Promise<readonly { readonly id: string }[]>)[];
}

/**
 * The whole id for what was typed: all of it, or six or more characters as lists show them.
 * @throws CliError when none is meant, or more than one
 */
export async function wholeId(typed: string, { what, places }: Lookup): Promise<string> {
  const text = typed.toLowerCase();
  if (WHOLE.test(text)) return text;
  if (!PART.test(text)) {
    throw usageError(
      `${oneLine(typed)} is no id; write it as lists show it, or at least 6 characters of that`,
    );
  }
  for (const place of places) {
    const ids = new Set((await place()).map(({ id }) => id).filter((id) => isMeant(id, text)));
    const [only] = ids;
    if (ids.size > 1) throw ambiguous(text, what, [...ids]);
    if (only !== undefined) return only;
  }
  throw new CliError(
    `there is no ${what} ${text} among the newest ${SEARCHED}; an older one needs its whole id`,
  );
}

function isMeant(id: string, part: string): boolean {
  return id.endsWith(part) || shortId(id).startsWith(part);
}

function ambiguous(part: string, what: string, ids: readonly string[]): CliError {
  return new CliError(`${part} could be ${ids.length} ${what}s; write more of the one you mean`, {
    details: ids,
  });
}
