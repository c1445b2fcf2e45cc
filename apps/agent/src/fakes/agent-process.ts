import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGE = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const BIN = path.join(PACKAGE, "bin", "drawbridge-agent.mjs");
const TSC = path.join(PACKAGE, "..", "..", "node_modules", ".bin", "tsc");

/** Brings dist up to date. Type errors are for the type-check to report: what was emitted is what is tested. */
export function buildAgent(): Promise<void> {
  return new Promise((resolve) => {
    execFile(TSC, ["-b", PACKAGE], () => resolve());
  });
}

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The real program, as an operator starts it. */
export class AgentProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  stdout = "";
  stderr = "";

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [BIN, ...args], {
      env: { PATH: "/usr/bin:/bin", HOME: "/nowhere" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stdout?.on("data", (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.child.stderr?.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.exited = once(this.child, "close").then(([code]) => code as number | null);
  }

  async finish(): Promise<Outcome> {
    const code = await this.exited;
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}
