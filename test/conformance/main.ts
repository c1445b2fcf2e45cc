import { runConformance } from "./conformance.js";

const output = {
  write: (text: string) => process.stdout.write(text),
  say: (text: string) => process.stderr.write(`${text}\n`),
};

try {
  process.exitCode = await runConformance(process.argv.slice(2), output);
} catch (error) {
  output.say(`conformance: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
