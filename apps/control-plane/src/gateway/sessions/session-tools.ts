import type { ToolsFromTarget } from "../../agents/index.js";

const ASK_EVERY_MS = 5_000;
const ANSWERED_WITHIN_MS = 10_000;
/** What is shown beyond that is nobody's to use anyway: no target has more pins. */
const MOST_TOOLS = 2_000;

/** What the target of a session has shown in it, and whether its agent has to be asked for more. */
export class SessionTools {
  private readonly shown = new Map<string, Uint8Array>();
  private askedAt = Number.NEGATIVE_INFINITY;
  private asking: { readonly over: Promise<void>; readonly end: () => void } | undefined;

  /** The digest of each tool, as it was shown last. */
  get digests(): ReadonlyMap<string, Uint8Array> {
    return this.shown;
  }

  hear({ tools }: ToolsFromTarget): void {
    for (const { name, digest } of tools)
      if (this.shown.size < MOST_TOOLS || this.shown.has(name)) this.shown.set(name, digest);
  }

  /**
   * Has `list` ask the agent for all tools, unless it was asked a moment ago. Resolves when they are known, or when it
   * takes too long: what is not known then, the agent decides about.
   */
  async ask(list: () => Promise<void>): Promise<void> {
    if (this.asking) return this.asking.over;
    if (performance.now() - this.askedAt < ASK_EVERY_MS) return;
    this.askedAt = performance.now();
    const { promise, resolve } = Promise.withResolvers<void>();
    const late = setTimeout(resolve, ANSWERED_WITHIN_MS);
    this.asking = { over: promise, end: resolve };
    // Whatever is wrong with the agent, the call meets it again.
    list().catch(() => resolve());
    await promise;
    clearTimeout(late);
    this.asking = undefined;
  }

  /** All tools are known, or will not be. */
  listed(): void {
    this.askedAt = performance.now();
    this.asking?.end();
  }
}
