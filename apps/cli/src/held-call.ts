import { setTimeout as sleep } from "node:timers/promises";
import { AccessRequestView, ApprovalView } from "@drawbridge/contracts";
import type { CallToolResult } from "@modelcontextprotocol/client";
import { z } from "zod";
import type { Api } from "./api.js";
import { CliError } from "./errors.js";
import { persistently } from "./persistence.js";
import type { Shell } from "./shell.js";
import { shortId } from "./short-ids.js";
import { oneLine } from "./terminal-text.js";
import { lasting } from "./times.js";

/** What the control plane says of a call that waits for people: that it does, and that a repeat asks again. */
const Note = z.object({
  id: z.uuid(),
  url: z.string().optional(),
  state: z.enum(["pending", "approved"]),
});

interface Held extends z.infer<typeof Note> {
  readonly what: "approval" | "access request";
}

const META_KEYS = {
  approval: "io.drawbridge/approval",
  "access request": "io.drawbridge/access-request",
} as const satisfies Record<Held["what"], string>;
/** A control plane that does not hold the request is not asked more often than this. */
const LEAST_BETWEEN_MS = 2_000;

export interface CallToRepeat {
  readonly target: string;
  readonly tool: string;
  readonly api: Api;
  call(): Promise<CallToolResult>;
}

/**
 * Calls, and for as long as the answer is that people have to decide first calls the same again: only a caller who is
 * there when they have decided gets it done.
 */
export async function callUntilDecided(shell: Shell, wanted: CallToRepeat): Promise<CallToolResult> {
  const waiting = new Waiting(shell);
  try {
    for (;;) {
      const began = Date.now();
      const result = await wanted.call();
      const held = heldCall(result);
      if (held === undefined || !(await isHeld(shell, wanted, held))) return result;
      waiting.tell(held);
      await sleep(Math.max(0, began + LEAST_BETWEEN_MS - Date.now()), undefined, { signal: shell.signal });
    }
  } finally {
    waiting.end();
  }
}

/** A target could say the same of a call that has run: only the control plane knows whether it has. */
async function isHeld({ signal }: Shell, wanted: CallToRepeat, held: Held): Promise<boolean> {
  try {
    return await persistently(signal, () => isKnown(wanted, held));
  } catch (error) {
    if (error instanceof CliError && NOT_FOUND.has(error.code)) return false;
    throw error;
  }
}

const NOT_FOUND: ReadonlySet<string | undefined> = new Set([
  "approval_not_found",
  "access_request_not_found",
]);

async function isKnown({ api, target, tool }: CallToRepeat, { what, id }: Held): Promise<boolean> {
  if (what === "access request")
    return (await api.get(`/access-requests/${id}`, AccessRequestView)).target === target;
  const approval = await api.get(`/approvals/${id}`, ApprovalView);
  return approval.target === target && approval.name === tool && approval.state !== "consumed";
}

/** Of a call that nobody wants to wait for. */
export function stillHeld(result: CallToolResult): CliError | undefined {
  const held = heldCall(result);
  if (held === undefined) return undefined;
  if (held.what === "approval") {
    return new CliError(`it needs an approval (${shortId(held.id)}), and --no-wait takes it back`, {
      details: ["repeat it without --no-wait to wait until somebody decides"],
    });
  }
  return new CliError(`it needs access, which was asked for (request ${shortId(held.id)})`, {
    details: [`repeat it when it is given; to see that: drawbridge requests show ${shortId(held.id)}`],
  });
}

function heldCall({ isError, _meta }: CallToolResult): Held | undefined {
  if (isError !== true) return undefined;
  for (const what of ["approval", "access request"] as const) {
    const { data } = Note.safeParse(_meta?.[META_KEYS[what]]);
    if (data !== undefined) return { ...data, what };
  }
  return undefined;
}

/** Says once what is waited for, and where somebody watches for how long already. */
class Waiting {
  readonly #shell: Shell;
  readonly #began = Date.now();
  #told: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(shell: Shell) {
    this.#shell = shell;
  }

  tell({ what, id, url }: Held): void {
    if (this.#told === id) return;
    this.#told = id;
    const { output } = this.#shell;
    const where = url === undefined ? "" : `: ${url}`;
    output.notice(oneLine(`it waits for ${what} ${shortId(id)}${where}`));
    clearInterval(this.#timer);
    const show = (): void => output.progress(`waiting for ${lasting(Date.now() - this.#began)}`);
    show();
    this.#timer = setInterval(show, 1_000);
  }

  end(): void {
    clearInterval(this.#timer);
    if (this.#told !== undefined) this.#shell.output.progress(undefined);
  }
}
