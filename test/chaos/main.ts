import { runHolds } from "./holds-run.js";
import { runRevocation } from "./revocation.js";

const output = {
  write: (text: string) => process.stdout.write(text),
  say: (text: string) => process.stderr.write(`${text}\n`),
};
const RUNS = { revocation: runRevocation, holds: runHolds };

const [name = "", ...args] = process.argv.slice(2).filter((argument) => argument !== "--");
if (Object.hasOwn(RUNS, name)) {
  try {
    process.exitCode = await RUNS[name as keyof typeof RUNS](args, output);
  } catch (error) {
    output.say(`chaos: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    process.exitCode = 2;
  }
} else {
  output.say(`usage: pnpm chaos ${Object.keys(RUNS).join("|")} [options]`);
  process.exitCode = 2;
}
