import { loadConfig } from "./config.js";
import { Output } from "./output.js";
import { runCommandLine } from "./program.js";
import { askAtTerminal } from "./question.js";
import { openBrowser } from "./sign-in/browser.js";

const config = loadConfig(process.env);
const interrupt = new AbortController();
// Once: whoever presses Ctrl-C again does not want to wait for a clean end.
process.once("SIGINT", () => interrupt.abort());
// `drawbridge audit | head` ends when head has had enough; that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

process.exitCode = await runCommandLine(process.argv.slice(2), {
  config,
  output: new Output(process, process.stdout.isTTY && process.stderr.isTTY && !config.noColour),
  stdin: process.stdin,
  signal: interrupt.signal,
  openBrowser,
  ask:
    process.stdin.isTTY && process.stderr.isTTY
      ? askAtTerminal({ input: process.stdin, output: process.stderr, interrupt })
      : undefined,
});
