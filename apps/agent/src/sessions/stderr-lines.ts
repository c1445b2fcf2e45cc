import type { Masker } from "@drawbridge/masking";
import type { TargetEnd } from "../targets/target.js";
import type { SparseLog } from "./sparse-log.js";

const LONGEST_LINE = 500;

export interface StderrLinesOptions {
  readonly masker: Masker;
  readonly say: (masked: string) => void;
  readonly log: SparseLog;
}

/** What the target's process writes for humans: masked for the recording, and the last of it kept to explain its end. */
export class StderrLines {
  readonly #options: StderrLinesOptions;
  #last = "";

  constructor(options: StderrLinesOptions) {
    this.#options = options;
  }

  take(text: string): void {
    const { masker, say, log } = this.#options;
    try {
      const masked = masker.maskText(text).text;
      this.#last = masked.trimEnd().split("\n").at(-1)?.slice(0, LONGEST_LINE) ?? "";
      say(masked);
    } catch {
      log.warn({}, "lines of the target's stderr could not be masked and were dropped");
    }
  }

  /** For callers: with the last line where the target never worked, for that may say why. */
  describe(end: TargetEnd): string {
    if (!end.neverWorked || this.#last === "") return end.reason;
    return `${end.reason}; the last it wrote to stderr: ${this.#last}`;
  }
}
