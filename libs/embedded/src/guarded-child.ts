import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/**
 * A tiny shell stands between us and the child. It is the child's parent, so the pid it signals can never be a
 * stranger's, and it reads our pipe: when we die, by kill -9 too, the pipe closes and the child is stopped.
 *
 *   we ──"TERM\n"──► fd 4: signals to pass on; its end means that we are gone
 *   we ◄──pid────── fd 3
 *
 * A background command of a shell ignores INT and QUIT at first; Node and Postgres both set their own handlers.
 */
const GUARD_SCRIPT = `
exec 4<&0 0</dev/null
"$@" 3>&- 4<&- &
child=$!
trap '' HUP INT TERM
echo "$child" >&3
exec 3>&-
(
  while read -r signal; do kill -s "$signal" "$child"; done <&4
  kill -s "$0" "$child"
  tries=0
  while kill -s 0 "$child" && [ "$tries" -lt 100 ]; do sleep 0.2; tries=$((tries + 1)); done
  kill -s KILL "$child"
) 2>/dev/null &
guard=$!
exec 4<&-
wait "$child"
code=$?
kill -s KILL "$guard" 2>/dev/null
wait "$guard" 2>/dev/null
exit "$code"
`;

/** Signals that end a child; without the SIG prefix, as kill(1) wants them. */
export type StopSignal = "TERM" | "INT" | "QUIT" | "KILL";

export interface GuardedChildOptions {
  command: string;
  args: readonly string[];
  env: Record<string, string>;
  cwd: string;
  /** What asks the child to end in an orderly way, also sent when this process dies. */
  stopSignal: StopSignal;
  /** Each line of the child's output, stdout and stderr together. */
  onLine: (line: string) => void;
  /** Runs the child as somebody else; only root can. */
  account?: { uid: number; gid: number } | undefined;
}

export interface ChildExit {
  /** As a shell counts: 128 plus the signal's number when a signal ended it. */
  code: number;
}

/** A child that cannot outlive this process. */
export interface GuardedChild {
  readonly pid: number;
  readonly exited: Promise<ChildExit>;
  signal(signal: StopSignal): void;
  /** Asks the child to end, and ends it by force after graceMs. Resolves when it is gone. */
  stop(graceMs: number): Promise<void>;
}

/** Starts a child that ends when this process does, however this process ends. */
export async function spawnGuarded(options: GuardedChildOptions): Promise<GuardedChild> {
  const shell = spawn("/bin/sh", ["-c", GUARD_SCRIPT, options.stopSignal, options.command, ...options.args], {
    cwd: options.cwd,
    env: options.env,
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    // Its own process group: Ctrl-C in the terminal reaches us only, and we stop our children in order.
    detached: true,
    ...options.account,
  });
  const exited = exitOf(shell);
  readOutput(shell, options.onLine);
  const pid = await childPid(shell);
  const control = shell.stdin as Writable;
  control.on("error", () => {}); // the guard ended first: nobody is left to signal

  const signal = (name: StopSignal): void => {
    if (control.writable) control.write(`${name}\n`);
  };
  const stop = async (graceMs: number): Promise<void> => {
    signal(options.stopSignal);
    const force = setTimeout(() => signal("KILL"), graceMs);
    await exited;
    clearTimeout(force);
  };
  return { pid, exited, signal, stop };
}

function exitOf(shell: ChildProcess): Promise<ChildExit> {
  return new Promise((resolve) => {
    shell.once("error", () => resolve({ code: 127 }));
    shell.once("exit", (code) => resolve({ code: code ?? 137 }));
  });
}

function readOutput(shell: ChildProcess, onLine: (line: string) => void): void {
  for (const stream of [shell.stdout, shell.stderr]) {
    createInterface({ input: stream as Readable }).on("line", onLine);
  }
}

async function childPid(shell: ChildProcess): Promise<number> {
  const pipe = shell.stdio[3] as Readable;
  pipe.setEncoding("utf8");
  let text = "";
  pipe.on("data", (chunk: string) => (text += chunk));
  await once(pipe, "close");
  const pid = Number.parseInt(text, 10);
  if (Number.isNaN(pid)) throw new Error("the shell that guards a child did not start; is /bin/sh there?");
  return pid;
}
