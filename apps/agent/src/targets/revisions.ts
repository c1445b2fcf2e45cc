import type { TargetDefinition } from "@drawbridge/protocol";
import type { TargetHost } from "./target-host.js";

/** Which MCP revisions the targets speak, found out without disturbing any session. */
export class TargetRevisions {
  readonly #host: TargetHost;

  constructor(host: TargetHost) {
    this.#host = host;
  }

  /** What was learned of this very definition in the last minutes. */
  known(_definition: TargetDefinition): readonly string[] | undefined {
    return undefined;
  }

  /** Asks the target, unless it is known. Throws TargetRefusedError when nothing can be learned now. */
  learn(_definition: TargetDefinition): Promise<readonly string[]> {
    void this.#host;
    return Promise.resolve([]);
  }

  /** Ends what is being learned; resolves when nothing of it is left running. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
