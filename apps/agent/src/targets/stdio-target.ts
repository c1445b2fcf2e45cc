import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { ExchangeFailure } from "@drawbridge/protocol";
import { cancelledNotification, type McpRequest } from "@drawbridge/mcp";
import { childEnvironment } from "./child-environment.js";
import type { AllowedCommand } from "./command-check.js";
import { type MessageLine, MessageLines } from "./message-lines.js";
import { signalGroup, waitForGroupToEnd } from "./process-group.js";
import { StderrText } from "./stderr-text.js";
import type { OutgoingMessage, Target, TargetListener } from "./target.js";
import type { Watchdog } from "./watchdog.js";

const STDIN_GRACE_MS = 1_000;
const TERM_GRACE_MS = 2_000;
const KILL_GRACE_MS = 1_000;
const STRAY_PIPE_MS = 1_000;
/** Between closing its stdout and exiting, for a process that leaves in order. */
const STDOUT_GRACE_MS = 500;
const NOISE_TOLERATED = 2;

export interface StdioTargetOptions {
  readonly command: AllowedCommand;
  /** The agent's own environment, of which a child gets the harmless part. */
  readonly inheritedEnvironment: Readonly<Record<string, string | undefined>>;
  readonly maxMessageBytes: number;
  readonly stderrBytesPerSecond: number;
  readonly watchdog: Watchdog;
  readonly listener: TargetListener;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** An MCP server as a child process: one message a line on stdin and stdout. It and all it starts are one process group. */
export class StdioTarget implements Target {
  readonly #options: StdioTargetOptions;
  readonly #listener: TargetListener;
  readonly #child: Child;
  #group: number | undefined;
  readonly #lines: MessageLines;
  readonly #stderr: StderrText;
  readonly #gone = Promise.withResolvers<void>();
  #spokeMcp = false;
  #noise = 0;
  #paused = false;
  #closing = false;
  #exit: string | undefined;

  constructor(options: StdioTargetOptions) {
    this.#options = options;
    this.#listener = options.listener;
    this.#lines = new MessageLines(options.maxMessageBytes);
    this.#stderr = new StderrText({
      bytesPerSecond: options.stderrBytesPerSecond,
      now: () => performance.now(),
      onText: (text) => this.#listener.stderr(text),
    });
    this.#child = this.#start();
  }

  send({ exchange, parsed }: OutgoingMessage): void {
    // A server that does not read must not fill the agent's memory.
    if (this.#child.stdin.writableLength > this.#options.maxMessageBytes) {
      const reason = "the target does not read what it is sent: wait for its other calls to end";
      this.#listener.exchangeFailed(exchange, ExchangeFailure.NOT_SENT, reason);
      return;
    }
    this.#write(parsed.bytes);
  }

  cancel(_exchange: number, request: Pick<McpRequest, "id" | "method">, reason: string): void {
    // The protocol forbids to cancel initialize.
    if (request.method !== "initialize") this.#write(cancelledNotification(request.id, reason));
  }

  pause(): void {
    this.#paused = true;
    this.#child.stdout.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#child.stdout.resume();
  }

  /** stdin closes first, as the protocol asks; who does not leave then is sent away. */
  async close(): Promise<void> {
    this.#closing = true;
    const group = this.#group;
    if (group === undefined) return;
    this.#child.stdout.resume();
    this.#child.stdin.end();
    if (!(await waitForGroupToEnd(group, STDIN_GRACE_MS))) {
      signalGroup(group, "SIGTERM");
      if (!(await waitForGroupToEnd(group, TERM_GRACE_MS))) signalGroup(group, "SIGKILL");
    }
    await Promise.all([this.#gone.promise, waitForGroupToEnd(group, KILL_GRACE_MS)]);
  }

  #start(): Child {
    const { command, inheritedEnvironment, watchdog } = this.#options;
    const child = spawn(command.command, command.arguments, {
      cwd: command.directory,
      env: childEnvironment(inheritedEnvironment, command.environment),
      // A process group of its own, so that what it starts can be ended with it.
      detached: true,
      shell: false,
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#group = child.pid;
    if (child.pid !== undefined) watchdog.guard(child.pid);
    child.once("error", (error: NodeJS.ErrnoException) => this.#failedToStart(error));
    child.once("exit", (code, signal) => this.#exited(code, signal));
    child.once("close", () => this.#ended(child));
    child.stdin.on("error", () => undefined);
    child.stdout.on("data", (chunk: Buffer) => this.#read(chunk));
    child.stdout.once("end", () => this.#fallenSilent());
    child.stderr.on("data", (chunk: Buffer) => this.#stderr.push(chunk));
    return child;
  }

  #write(payload: Uint8Array): void {
    this.#child.stdin.write(Buffer.concat([withoutLineEnds(payload), LINE_END]));
  }

  #read(chunk: Buffer): void {
    for (const line of this.#lines.push(chunk)) this.#readLine(line);
    // A listener may have paused in the middle of a chunk: data already read is delivered, nothing more is read.
    if (this.#paused) this.#child.stdout.pause();
  }

  #readLine(line: MessageLine): void {
    if (line.kind === "oversized") {
      this.#listener.oversized(undefined, line.excerpt);
    } else if (looksLikeMessage(line.bytes)) {
      this.#noise = 0;
      this.#spokeMcp = true;
      this.#listener.message(line.bytes);
    } else if (!isBlank(line.bytes)) {
      this.#readNoise();
    }
  }

  #readNoise(): void {
    this.#noise += 1;
    if (this.#noise > NOISE_TOLERATED) {
      this.#noise = 0;
      this.#listener.rubbish("the target prints text that is not MCP to stdout: make it log to stderr");
    } else {
      this.#listener.stderr("[a line on stdout that is not MCP was left out]\n");
    }
  }

  #failedToStart(error: NodeJS.ErrnoException): void {
    if (this.#group !== undefined) return;
    const hint =
      START_HINTS.get(error.code ?? "") ?? "look at the agent's log and at the target's definition";
    this.#end({
      reason: `the target could not be started (${error.code ?? "unknown error"}): ${hint}`,
      neverWorked: true,
    });
  }

  /** Nothing can come of it any more: a process that stays after it closed its stdout is ended. */
  #fallenSilent(): void {
    const group = this.#group;
    if (group === undefined || this.#closing || this.#exit !== undefined) return;
    const timer = setTimeout(() => {
      this.#exit = "closed its stdout";
      signalGroup(group, "SIGKILL");
    }, STDOUT_GRACE_MS);
    this.#child.once("exit", () => clearTimeout(timer));
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    const group = this.#group;
    if (group === undefined) return;
    // What the server started and left behind goes with it.
    if (!this.#closing) signalGroup(group, "SIGKILL");
    this.#exit ??= signal === null ? `exited with code ${code}` : `was ended by ${signal}`;
    this.#dropStrayPipes();
  }

  /** A process that left the group may hold our ends of the pipes; it must not keep the session open. */
  #dropStrayPipes(): void {
    const timer = setInterval(() => {
      if (this.#paused) return;
      this.#child.stdout.destroy();
      this.#child.stderr.destroy();
    }, STRAY_PIPE_MS);
    this.#child.once("close", () => clearInterval(timer));
  }

  /** All it wrote has been read. */
  #ended(child: Child): void {
    if (child.pid === undefined) return;
    void this.#releaseGroup(child.pid);
    this.#stderr.end();
    this.#end({ reason: `the target's process ${this.#exit ?? "ended"}`, neverWorked: !this.#spokeMcp });
  }

  async #releaseGroup(group: number): Promise<void> {
    // While closing, close() decides when to use force.
    if (!this.#closing) signalGroup(group, "SIGKILL");
    await waitForGroupToEnd(group, STDIN_GRACE_MS + TERM_GRACE_MS + KILL_GRACE_MS);
    this.#options.watchdog.release(group);
    this.#gone.resolve();
  }

  #end(end: { reason: string; neverWorked: boolean }): void {
    if (this.#group === undefined) this.#gone.resolve();
    if (!this.#closing) this.#listener.ended(end);
  }
}

const LINE_END = Buffer.from("\n");
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;

const START_HINTS: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "the command or its working directory does not exist on the agent's host"],
  ["EACCES", "the agent's user may not execute the command or enter its working directory"],
  ["E2BIG", "its arguments and environment are too long"],
  ["EAGAIN", "the agent's host or user has too many processes"],
]);

/** JSON has line ends only between its tokens, where a space means the same; a line of stdio has none. */
function withoutLineEnds(payload: Uint8Array): Uint8Array {
  if (!payload.includes(NEWLINE) && !payload.includes(RETURN)) return payload;
  return payload.map((byte) => (byte === NEWLINE || byte === RETURN ? SPACE : byte));
}

function looksLikeMessage(line: Uint8Array): boolean {
  const first = firstVisible(line);
  return first === 0x7b || first === 0x5b;
}

function isBlank(line: Uint8Array): boolean {
  return firstVisible(line) === undefined;
}

function firstVisible(line: Uint8Array): number | undefined {
  return line.find((byte) => byte !== SPACE && byte !== 0x09 && byte !== RETURN);
}
