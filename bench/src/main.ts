import { runCommandLine } from "./command-line.js";

const output = {
  write: (text: string) => process.stdout.write(text),
  say: (text: string) => process.stderr.write(`${text}\n`),
};

try {
  await runCommandLine(process.argv.slice(2), output);
  process.exitCode = 0;
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
