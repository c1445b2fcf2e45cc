import { type ChildProcessByStdio, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { childEnvironment } from "./child-environment.js";
import { type ChildLimits, limitedLaunch } from "./child-limits.js";
import type { AllowedCommand } from "./command-check.js";
import { signalGroup, waitForGroupToEnd } from "./process-group.js";
import { StderrText } from "./stderr-text.js";
import type { Watchdog } from "./watchdog.js";

const STDIN_GRACE_MS = 1_000;
const TERM_GRACE_MS = 2_000;
const KILL_GRACE_MS = 1_000;
/** From SIGKILL on, or from a peaceful exit, until its group and its pipes have to be gone. */
const LAST_GRACE_MS = 5_000;
/** What is waited for keeps this process running, not the waiting. */
const UNREF = { ref: false };
const STRAY_PIPE_MS = 1_000;
/** Between closing its stdout and exiting, for a process that leaves in order. */
const STDOUT_GRACE_MS = 500;

export interface ServerProcessOptions {
  readonly command: AllowedCommand;
  readonly limits: ChildLimits;
  /** The agent's own environment, of which a child gets the harmless part. */
  readonly inheritedEnvironment: Readonly<Record<string, string | undefined>>;
  readonly stderrBytesPerSecond: number;
  readonly watchdog: Pick<Watchdog, "guard">;
  readonly listener: ServerProcessListener;
}

export interface ServerProcessListener {
  stdout(chunk: Buffer): void;
  /** Whole lines. */
  stderr(text: string): void;
  /** It ended by itself or could not be started, and all it wrote has been read. Not told of what `close` ended. */
  ended(reason: string): void;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** The process of a target. It and all it starts are one process group, which ends as one. */
export class ServerProcess {
  /** Resolves when nothing of it is left running and its pipes are closed. */
  readonly gone: Promise<void>;
  /** Whether it took part in MCP. Whoever reads what it writes says so. */
  spoke = false;
  /** Whether it was sent a call of a client, of which it may have died. Whoever sends it says so. */
  wasCalled = false;
  readonly #options: ServerProcessOptions;
  readonly #child: Child;
  readonly #stderr: StderrText;
  readonly #gone = Promise.withResolvers<void>();
  readonly #groupGone = Promise.withResolvers<void>();
  /** From its start on; it keeps its number only as long as somebody is in it. */
  #group: number | undefined;
  #isGroupGone = false;
  #unguard: () => void = () => undefined;
  #paused = false;
  #closing = false;
  #exit: string | undefined;

  constructor(options: ServerProcessOptions) {
    this.#options = options;
    this.gone = this.#gone.promise;
    this.#stderr = new StderrText({
      bytesPerSecond: options.stderrBytesPerSecond,
      now: () => performance.now(),
      onText: (text) => options.listener.stderr(text),
    });
    this.#child = this.#start();
  }

  /** False when there never was such a process: then it has done nothing. */
  get hasStarted(): boolean {
    return this.#group !== undefined;
  }

  /** It has exited or is being ended. */
  get isOver(): boolean {
    return this.#closing || this.#exit !== undefined;
  }

  /** Bytes it was sent and has not read. */
  get backlogBytes(): number {
    return this.#child.stdin.writableLength;
  }

  write(bytes: Uint8Array): void {
    this.#child.stdin.write(bytes);
  }

  pause(): void {
    // Nobody resumes what is on its way out, and unread pipes would keep it here for ever.
    if (this.#closing) return;
    this.#paused = true;
    this.#child.stdout.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#child.stdout.resume();
  }

  /** stdin closes first, as the protocol asks; who does not leave then is sent away. Resolves within 10 s in any case. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#group === undefined) return;
    this.resume();
    this.#child.stdin.end();
    if (!(await this.#endsWithin(STDIN_GRACE_MS))) {
      this.#signal("SIGTERM");
      if (!(await this.#endsWithin(TERM_GRACE_MS))) this.#signal("SIGKILL");
    }
    const isGone = await Promise.race([this.gone.then(() => true), sleep(LAST_GRACE_MS, false, UNREF)]);
    if (!isGone) this.#abandon();
  }

  /** Not even SIGKILL ends a process in an uninterruptible sleep. It keeps its place, but nothing waits for it any more. */
  #abandon(): void {
    this.#child.unref();
    for (const pipe of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) pipe.destroy();
  }

  async #endsWithin(ms: number): Promise<boolean> {
    await Promise.race([this.#groupGone.promise, sleep(ms, undefined, UNREF)]);
    return this.#isGroupGone;
  }

  /** Never to a group that is gone: its number may be somebody else's by now. */
  #signal(signal: NodeJS.Signals): void {
    if (this.#group !== undefined && !this.#isGroupGone) signalGroup(this.#group, signal);
  }

  #start(): Child {
    const { command, limits, inheritedEnvironment, watchdog } = this.#options;
    const environment = childEnvironment(inheritedEnvironment, command.environment);
    const launch = limitedLaunch(command, limits, environment);
    // A launcher would only say that it could not start it, not why.
    if (launch.command !== command.command) accessSync(command.command, constants.X_OK);
    const child = spawn(launch.command, launch.arguments, {
      cwd: command.directory,
      env: environment,
      // A process group of its own, so that what it starts can be ended with it.
      detached: true,
      shell: false,
      stdio: ["pipe", "pipe", "pipe"],
    });
    assertHasPipes(child);
    this.#group = child.pid;
    if (child.pid !== undefined) this.#unguard = watchdog.guard(child.pid);
    child.once("error", (error: NodeJS.ErrnoException) => this.#failedToStart(error));
    child.once("exit", (code, signal) => this.#exited(code, signal));
    child.once("close", () => this.#ended(child));
    // Without a listener an error of one pipe would be an error of this process.
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.on("error", () => undefined);
    child.stdout.on("data", (chunk: Buffer) => this.#read(chunk));
    child.stdout.once("end", () => this.#fallenSilent());
    child.stderr.on("data", (chunk: Buffer) => this.#stderr.push(chunk));
    return child;
  }

  #read(chunk: Buffer): void {
    this.#options.listener.stdout(chunk);
    // A listener may have paused in the middle of a chunk: data already read is delivered, nothing more is read.
    if (this.#paused) this.#child.stdout.pause();
  }

  #failedToStart(error: NodeJS.ErrnoException): void {
    if (this.#group === undefined) this.#end(describeStartError(error));
  }

  /** Nothing can come of it any more: a process that stays after it closed its stdout is ended. */
  #fallenSilent(): void {
    if (this.#closing || this.#exit !== undefined) return;
    const timer = setTimeout(() => {
      this.#exit = "closed its stdout";
      this.#signal("SIGKILL");
    }, STDOUT_GRACE_MS);
    this.#child.once("exit", () => clearTimeout(timer));
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    const group = this.#group;
    if (group === undefined) return;
    void this.#releaseGroup(group);
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

  /** All it wrote has been read, which may be long after it left: then its group is gone and its number not its own. */
  #ended(child: Child): void {
    if (child.pid === undefined) return;
    void this.#groupGone.promise.then(() => this.#gone.resolve());
    this.#stderr.end();
    this.#end(`the target's process ${this.#exit ?? "ended"}`);
  }

  /** What the server started and left behind goes with it. */
  async #releaseGroup(group: number): Promise<void> {
    // While closing, close() decides when to use force.
    if (!this.#closing) signalGroup(group, "SIGKILL");
    await waitForGroupToEnd(group, STDIN_GRACE_MS + TERM_GRACE_MS + KILL_GRACE_MS);
    this.#isGroupGone = true;
    this.#unguard();
    this.#groupGone.resolve();
  }

  #end(reason: string): void {
    if (this.#group === undefined) this.#gone.resolve();
    if (!this.#closing) this.#options.listener.ended(reason);
  }
}

const START_HINTS: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "the command or its working directory does not exist on the agent's host"],
  ["EACCES", "the agent's user may not execute the command or enter its working directory"],
  ["E2BIG", "its arguments and environment are too long"],
  ["EMFILE", "the agent has too many files and connections open"],
  ["EAGAIN", "the agent's host or user has too many processes"],
]);

/** Without descriptors for the pipes Node makes none, and says why only in an event, when all of it has been used. */
function assertHasPipes(child: Partial<Child> & Pick<Child, "once">): void {
  if (child.stdin !== undefined) return;
  child.once("error", () => undefined);
  throw Object.assign(new Error("no pipes to the process"), { code: "EMFILE" });
}

/** For the caller: why a process could not be started and where to look. */
export function describeStartError(error: NodeJS.ErrnoException): string {
  const code = error.code ?? "unknown error";
  const hint = START_HINTS.get(code) ?? "look at the agent's log and at the target's definition";
  return `the target could not be started (${code}): ${hint}`;
}
