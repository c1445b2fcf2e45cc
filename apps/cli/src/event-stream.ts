import { setTimeout as sleep } from "node:timers/promises";
import type { EventMessage } from "@drawbridge/contracts";
import { CliError, EXIT } from "./errors.js";
import { eventConnection, type Received, RefusedError } from "./event-connection.js";
import type { Connection, Shell } from "./shell.js";
import { lasting } from "./times.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** How many cursors back a repeated event is noticed. */
const REMEMBERED = 1024;

export type LiveEvent = Extract<EventMessage, { type: "event" }>;

export interface EventWish {
  /** Such as `approval.*`; all when absent. */
  readonly kinds?: readonly string[] | undefined;
  /** The cursor to go on after; from now on when absent. */
  readonly after?: string | undefined;
}

/**
 * What happens in the control plane, as it happens, until Ctrl-C. A connection that breaks is made again, and what was
 * missed comes first: nothing is lost and nothing comes twice, or a `gap` says so. The first has to come about.
 * @throws CliError not signed in, not permitted, not there
 */
export async function* liveEvents(
  { signal, output }: Pick<Shell, "signal" | "output">,
  { url, tokens }: Pick<Connection, "url" | "tokens">,
  { kinds, after }: EventWish = {},
): AsyncGenerator<EventMessage> {
  const position = new Position(after);
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      const token = await freshToken(tokens);
      const connection = eventConnection({ url, token, kinds, after: position.cursor, signal });
      for await (const message of connection) {
        failures = 0;
        if (position.advance(message) && message.type !== "unknown") yield message;
      }
    } catch (error) {
      if (!signal.aborted) throwUnlessPassing(error, position);
    }
    await pause(failures, { signal, output });
  }
}

/** A stream that was never there is not waited for. */
function throwUnlessPassing(error: unknown, { wasReady }: Position): void {
  if (!(error instanceof RefusedError)) throw error;
  if (!error.passes || !wasReady) throw error.says;
}

/** An identity provider that does not answer for a while ends no watch. */
async function freshToken(tokens: Connection["tokens"]): Promise<string> {
  try {
    return (await tokens.get("api")).value;
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new RefusedError(error, error.exitCode !== EXIT.notSignedIn);
  }
}

/** Where in the events one is, across connections. */
class Position {
  cursor: string | undefined;
  wasReady = false;
  readonly #seen = new Set<string>();

  constructor(cursor: string | undefined) {
    this.cursor = cursor;
  }

  /** Whether the message is a new one. */
  advance({ type, cursor }: Received): boolean {
    this.cursor = cursor;
    this.wasReady ||= type === "ready";
    if (type !== "event") return true;
    if (this.#seen.has(cursor)) return false;
    this.#seen.add(cursor);
    const [oldest] = this.#seen;
    if (this.#seen.size > REMEMBERED && oldest !== undefined) this.#seen.delete(oldest);
    return true;
  }
}

/** Longer each time, and never the same for all who lost the same control plane. A short one goes unmentioned. */
async function pause(failures: number, { signal, output }: Pick<Shell, "signal" | "output">): Promise<void> {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
  const milliseconds = longest * (0.5 + Math.random() / 2);
  if (failures > 1) output.notice(`no connection; trying again in ${lasting(milliseconds)}`);
  await sleep(milliseconds, undefined, { signal }).catch(() => {});
}
