import { createHash } from "node:crypto";
import { TargetDefinition } from "@drawbridge/protocol";
import type { Asked, Learned } from "./era-probe.js";
import { checkHttp, checkStdio } from "./open-target.js";
import { probeHttp } from "./probe-http.js";
import { probeStdio } from "./probe-stdio.js";
import type { TargetHost } from "./target-host.js";
import { TargetRefusedError } from "./target-refused-error.js";

const KEPT_MS = 10 * 60_000;
const MAX_KEPT = 1_000;
/** The transport itself belongs to this revision; servers that still have it are not asked. */
const SSE_REVISIONS = ["2024-11-05"];

interface Kept extends Learned {
  readonly until: number;
}

/**
 * Which MCP revisions the targets speak, found out without disturbing any session. A verdict is kept for some minutes
 * only: a target that changed must not be taken for what it was.
 */
export class TargetRevisions {
  readonly #host: TargetHost;
  readonly #now: () => number;
  readonly #learned = new Map<string, Kept>();
  readonly #learning = new Map<string, Promise<readonly string[]>>();
  readonly #closing = new AbortController();

  /** `now`: monotonic milliseconds. */
  constructor(host: TargetHost, now: () => number = () => performance.now()) {
    this.#host = host;
    this.#now = now;
  }

  /** What was learned of this very definition in the last minutes. */
  known(definition: TargetDefinition, asks: Asked): readonly string[] | undefined {
    const learned = this.#learned.get(keyOf(definition));
    if (!learned || learned.until <= this.#now()) return undefined;
    return learned.isWhole || asks === "modern" ? learned.revisions : undefined;
  }

  /**
   * Asks the target, unless it is known: oldest revision first, never empty. Throws TargetRefusedError when this host does
   * not allow the target, or when nothing can be learned now.
   */
  async learn(definition: TargetDefinition, asks: Asked): Promise<readonly string[]> {
    const known = this.known(definition, asks);
    if (known) return known;
    const key = keyOf(definition);
    const question = `${asks} ${key}`;
    const learning =
      this.#learning.get(question) ??
      this.#ask(definition, asks)
        .then((learned) => this.#keep(key, learned))
        .finally(() => this.#learning.delete(question));
    this.#learning.set(question, learning);
    return learning;
  }

  /** Ends what is being learned; resolves when nothing of it is left running. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#learning.values());
  }

  async #ask({ name, transport }: TargetDefinition, asks: Asked): Promise<Learned> {
    const { signal } = this.#closing;
    switch (transport?.$case) {
      case "stdio": {
        const wanted = checkStdio(this.#host, name, transport.value);
        return { revisions: await probeStdio(this.#host, wanted, signal), isWhole: true };
      }
      case "http": {
        const url = checkHttp(this.#host, transport.value);
        return probeHttp({ url, headers: transport.value.headers, signal, asks });
      }
      case "sse":
        checkHttp(this.#host, transport.value);
        return { revisions: SSE_REVISIONS, isWhole: true };
      case undefined:
        throw new TargetRefusedError(
          "NOT_SENT",
          "this agent does not know the target's transport: upgrade the agent",
        );
    }
  }

  #keep(key: string, learned: Learned): readonly string[] {
    this.#learned.delete(key);
    this.#learned.set(key, { ...learned, until: this.#now() + KEPT_MS });
    const [oldest] = this.#learned.keys();
    if (this.#learned.size > MAX_KEPT && oldest !== undefined) this.#learned.delete(oldest);
    return learned.revisions;
  }
}

/** The definition holds credentials: what is remembered of it is a digest. */
function keyOf(definition: TargetDefinition): string {
  return createHash("sha256").update(TargetDefinition.encode(definition).finish()).digest("base64");
}
