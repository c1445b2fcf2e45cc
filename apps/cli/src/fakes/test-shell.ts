import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ExitCode } from "../errors.js";
import { Output } from "../output.js";
import { runCommandLine } from "../program.js";

export interface CommandResult {
  readonly code: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandInput {
  readonly stdin?: string;
  readonly signal?: AbortSignal;
  readonly terminal?: boolean;
  readonly openBrowser?: (url: URL) => void;
  /** Called with everything said on stderr, as it is said. */
  readonly onNotice?: (text: string) => void;
  /** Called with everything written to stdout, as it is written. */
  readonly onOutput?: (text: string) => void;
  /** What somebody types when asked; then they press Enter only. Without it nobody can be asked. */
  readonly answers?: readonly string[];
}

/** A user's home with nothing in it, and command lines typed there. */
export class TestShell {
  readonly directory: string;
  readonly configDirectory: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.configDirectory = path.join(directory, "drawbridge");
  }

  static async open(): Promise<TestShell> {
    return new TestShell(await mkdtemp(path.join(tmpdir(), "drawbridge-cli-")));
  }

  get credentialsFile(): string {
    return path.join(this.configDirectory, "credentials.json");
  }

  async run(argv: readonly string[], input: CommandInput = {}): Promise<CommandResult> {
    const stdout = {
      text: "",
      isTTY: input.terminal ?? false,
      write: (text: string) => {
        stdout.text += text;
        input.onOutput?.(text);
      },
    };
    const stderr = {
      text: "",
      isTTY: input.terminal ?? false,
      write: (text: string) => {
        stderr.text += text;
        input.onNotice?.(text);
      },
    };
    const answers = [...(input.answers ?? [])];
    const ask = async (question: string): Promise<string> => {
      stderr.write(`${question}\n`);
      return answers.shift() ?? "";
    };
    const code = await runCommandLine(argv, {
      config: { configDirectory: this.configDirectory, noColour: true },
      output: new Output({ stdout, stderr }, false),
      stdin: ReadableStream.from([input.stdin ?? ""]),
      signal: input.signal ?? new AbortController().signal,
      openBrowser: input.openBrowser ?? (() => {}),
      ask: input.answers === undefined ? undefined : ask,
    });
    return { code, stdout: stdout.text, stderr: stderr.text };
  }

  async close(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}
