import { pino } from "pino";
import { runCommandLine } from "./cli.js";
import { releaseStartupMemory } from "./startup-memory.js";

const SETTLED_AFTER_MS = 2_000;

function stopRequested(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve(signal));
  });
}

process.exitCode = await runCommandLine(process.argv.slice(2), {
  environment: process.env,
  createLogger: (level) =>
    pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2)),
  writeOut: (text) => process.stdout.write(text),
  writeError: (text) => process.stderr.write(text),
  onServing: () => void setTimeout(releaseStartupMemory, SETTLED_AFTER_MS).unref(),
  stopRequested,
});
