import { setTimeout as sleep } from "node:timers/promises";
import { ApprovalView } from "@drawbridge/contracts";
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
const Held = z.object({
  id: z.uuid(),
  url: z.string().optional(),
  state: z.enum(["pending", "approved"]),
});
type Held = z.infer<typeof Held>;

const META_KEY = "io.drawbridge/approval";
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
async function isHeld(
  { signal }: Shell,
  { api, target, tool }: CallToRepeat,
  { id }: Held,
): Promise<boolean> {
  try {
    const approval = await persistently(signal, () => api.get(`/approvals/${id}`, ApprovalView));
    return approval.target === target && approval.name === tool && approval.state !== "consumed";
  } catch (error) {
    if (error instanceof CliError && error.code === "approval_not_found") return false;
    throw error;
  }
}

/** Of a call that nobody wants to wait for. */
export function stillHeld(result: CallToolResult): CliError | undefined {
  const held = heldCall(result);
  if (held === undefined) return undefined;
  return new CliError(`it needs an approval (${oneLine(shortId(held.id))}), and --no-wait takes it back`, {
    details: ["repeat it without --no-wait to wait until somebody decides"],
  });
}

function heldCall({ isError, _meta }: CallToolResult): Held | undefined {
  if (isError !== true) return undefined;
  return Held.safeParse(_meta?.[META_KEY]).data;
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

  tell({ id, url }: Held): void {
    if (this.#told === id) return;
    this.#told = id;
    const { output } = this.#shell;
    const where = url === undefined ? "" : `: ${url}`;
    output.notice(oneLine(`it waits for approval ${shortId(id)}${where}`));
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
