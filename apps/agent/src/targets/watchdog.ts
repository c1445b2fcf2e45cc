import { type ChildProcess, spawn } from "node:child_process";
import type { Logger } from "pino";

/** A host without room for another process or file may have some soon. */
const RETRY_MS = 1_000;

/**
 * Reads "add GROUP" and "drop GROUP" lines; when its input ends, kills every process group still on its list. A shell
 * because it has to stay resident beside each agent, and a shell takes 1 MB where Node takes 40.
 */
const SCRIPT = `
trap '' HUP INT TERM
groups=' '
while read -r verb group; do
  case $verb in
    add) groups="$groups$group " ;;
    drop) case $groups in *" $group "*) groups="\${groups%%" $group "*} \${groups#*" $group "}" ;; esac ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
`;

/**
 * Outlives the agent just long enough to kill the children of an agent that died without doing so itself (kill -9, out
 * of memory): the pipe between them closes with the agent, whatever ended it.
 */
export class Watchdog {
  readonly #log: Logger;
  /** Each with what tells its present owner from one before that had the same number. */
  readonly #groups = new Map<number, symbol>();
  #process: ChildProcess | undefined;
  #stopping = false;

  constructor(log: Logger) {
    this.#log = log;
    this.#start();
  }

  /** False when nothing watches: then no child may be started. */
  get isWatching(): boolean {
    return this.#process !== undefined;
  }

  /**
   * Takes a process group into care. What it returns ends that, to be called as soon as the group is gone: its number may
   * be given to somebody else. Called later than that, it leaves the new owner of the number in care.
   */
  guard(group: number): () => void {
    const owner = Symbol("owner of a process group");
    if (!this.#groups.has(group)) this.#tell(`add ${group}`);
    this.#groups.set(group, owner);
    return () => this.#release(group, owner);
  }

  /** Ends the watchdog, which kills what is still in its care. */
  stop(): Promise<void> {
    this.#stopping = true;
    const process = this.#process;
    if (!process) return Promise.resolve();
    return new Promise((resolve) => {
      process.once("exit", () => resolve());
      process.stdin?.end();
    });
  }

  #release(group: number, owner: symbol): void {
    if (this.#groups.get(group) !== owner) return;
    this.#groups.delete(group);
    this.#tell(`drop ${group}`);
  }

  #start(): void {
    // In a session of its own: a signal to the agent's process group or terminal must not take both.
    const watchdog = spawn("/bin/sh", ["-c", SCRIPT], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      env: {},
    });
    watchdog.once("error", (error) => {
      this.#process = undefined;
      setTimeout(() => this.#startAgain(), RETRY_MS).unref();
      this.#log.error(
        { error: error.message },
        "the watchdog of the children cannot be started: until it can no child will be",
      );
    });
    if (watchdog.pid === undefined) return;
    watchdog.stdin.on("error", () => undefined);
    watchdog.once("exit", () => this.#exited());
    this.#process = watchdog;
    for (const group of this.#groups.keys()) this.#tell(`add ${group}`);
  }

  #exited(): void {
    this.#process = undefined;
    if (this.#stopping) return;
    this.#log.warn("the watchdog of the children died and is started again");
    this.#start();
  }

  #startAgain(): void {
    if (!this.#stopping && !this.#process) this.#start();
  }

  #tell(line: string): void {
    this.#process?.stdin?.write(`${line}\n`);
  }
}
