import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { EXIT } from "./errors.js";
import { askAtTerminal } from "./question.js";

function terminal() {
  const input = new PassThrough();
  const output = new PassThrough();
  const interrupt = new AbortController();
  return { input, output, interrupt, ask: askAtTerminal({ input, output, interrupt }) };
}

describe("a question at the terminal", () => {
  it("is answered by the next line, one after another", async () => {
    const { input, output, ask } = terminal();
    const first = ask("one\u001b[2J? ");
    input.write("yes\n");
    expect(await first).toBe("yes");
    const second = ask("two? ");
    input.write("no\n");
    expect(await second).toBe("no");
    expect(String(output.read())).toContain(String.raw`one\x1b[2J?`);
  });

  it("is answered with nothing when the input ends", async () => {
    const { input, ask } = terminal();
    const answer = ask("one? ");
    input.end();
    expect(await answer).toBe("");
  });

  it("is interrupted by Ctrl-C", async () => {
    const { interrupt, ask } = terminal();
    const answer = ask("one? ");
    interrupt.abort();
    await expect(answer).rejects.toMatchObject({ exitCode: EXIT.interrupted });
  });
});
