import { createHash } from "node:crypto";
import { TargetDefinition } from "@drawbridge/protocol";
import { checkHttp, checkStdio } from "./open-target.js";
import { probeHttp } from "./probe-http.js";
import { probeStdio } from "./probe-stdio.js";
import type { TargetHost } from "./target-host.js";
import { TargetRefusedError } from "./target-refused-error.js";

const KEPT_MS = 10 * 60_000;
const MAX_KEPT = 1_000;
/** The transport itself belongs to this revision; servers that still have it are not asked. */
const SSE_REVISIONS = ["2024-11-05"];

interface Learned {
  readonly revisions: readonly string[];
  readonly until: number;
}

/**
 * Which MCP revisions the targets speak, found out without disturbing any session. A verdict is kept for some minutes
 * only: a target that changed must not be taken for what it was.
 */
export class TargetRevisions {
  readonly #host: TargetHost;
  readonly #now: () => number;
  readonly #learned = new Map<string, Learned>();
  readonly #learning = new Map<string, Promise<readonly string[]>>();
  readonly #closing = new AbortController();

  /** `now`: monotonic milliseconds. */
  constructor(host: TargetHost, now: () => number = () => performance.now()) {
    this.#host = host;
    this.#now = now;
  }

  /** What was learned of this very definition in the last minutes. */
  known(definition: TargetDefinition): readonly string[] | undefined {
    const learned = this.#learned.get(keyOf(definition));
    return learned && learned.until > this.#now() ? learned.revisions : undefined;
  }

  /**
   * Asks the target, unless it is known: oldest revision first, never empty. Throws TargetRefusedError when this host does
   * not allow the target, or when nothing can be learned now.
   */
  async learn(definition: TargetDefinition): Promise<readonly string[]> {
    const known = this.known(definition);
    if (known) return known;
    const key = keyOf(definition);
    const learning =
      this.#learning.get(key) ??
      this.#ask(definition)
        .then((revisions) => this.#keep(key, revisions))
        .finally(() => this.#learning.delete(key));
    this.#learning.set(key, learning);
    return learning;
  }

  /** Ends what is being learned; resolves when nothing of it is left running. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#learning.values());
  }

  async #ask({ name, transport }: TargetDefinition): Promise<readonly string[]> {
    const { signal } = this.#closing;
    switch (transport?.$case) {
      case "stdio": {
        const wanted = checkStdio(this.#host, name, transport.value);
        return probeStdio(this.#host, wanted, signal);
      }
      case "http": {
        const url = checkHttp(this.#host, transport.value);
        return probeHttp({ url, headers: transport.value.headers, signal });
      }
      case "sse":
        checkHttp(this.#host, transport.value);
        return SSE_REVISIONS;
      case undefined:
        throw new TargetRefusedError(
          "NOT_SENT",
          "this agent does not know the target's transport: upgrade the agent",
        );
    }
  }

  #keep(key: string, revisions: readonly string[]): readonly string[] {
    this.#learned.delete(key);
    this.#learned.set(key, { revisions, until: this.#now() + KEPT_MS });
    const [oldest] = this.#learned.keys();
    if (this.#learned.size > MAX_KEPT && oldest !== undefined) this.#learned.delete(oldest);
    return revisions;
  }
}

/** The definition holds credentials: what is remembered of it is a digest. */
function keyOf(definition: TargetDefinition): string {
  return createHash("sha256").update(TargetDefinition.encode(definition).finish()).digest("base64");
}
