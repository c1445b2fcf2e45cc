import { createInterface } from "node:readline/promises";
import { interrupted } from "./api.js";
import { oneLine } from "./terminal-text.js";

interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  readonly interrupt: AbortController;
}

/** Asks on a terminal. Ctrl-C interrupts the command; the end of the input (Ctrl-D) is an empty answer. */
export function askAtTerminal({ input, output, interrupt }: Terminal): (question: string) => Promise<string> {
  return async (question) => {
    const lines = createInterface({ input, output });
    // In raw mode the terminal sends no signal.
    lines.once("SIGINT", () => interrupt.abort());
    const end = new Promise<string>((resolve) => lines.once("close", () => resolve("")));
    try {
      const answer = lines.question(oneLine(question), { signal: interrupt.signal });
      return await Promise.race([answer, end]);
    } catch (error) {
      if (interrupt.signal.aborted) throw interrupted();
      throw error;
    } finally {
      lines.close();
    }
  };
}
