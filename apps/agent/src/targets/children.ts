import { type ChildLimits, smallerLimits } from "./child-limits.js";
import type { AllowedCommand } from "./command-check.js";
import { describeStartError, ServerProcess, type ServerProcessListener } from "./server-process.js";
import { type FailureKind, StartBackoff, type TargetHealth } from "./start-backoff.js";
import { TargetRefusedError } from "./target-refused-error.js";
import type { Watchdog } from "./watchdog.js";

/** A process that ends by itself before this has failed, whatever it said until then. */
const EARLY_DEATH_MS = 10_000;

export interface ChildrenOptions {
  /** How many may run at the same time. */
  readonly maximum: number;
  /** This host's own; a definition can only want less. */
  readonly limits: ChildLimits;
  /** The agent's own environment, of which a child gets the harmless part. */
  readonly inheritedEnvironment: Readonly<Record<string, string | undefined>>;
  readonly stderrBytesPerSecond: number;
  readonly watchdog: Watchdog;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly onHealth: (health: TargetHealth) => void;
}

export interface WantedChild {
  /** Name of the target: what failed again and again under it has to wait. */
  readonly target: string;
  readonly command: AllowedCommand;
  readonly limits: ChildLimits;
}

interface Running {
  readonly target: string;
  readonly startedAt: number;
}

/** All processes of targets this agent runs: how many, within which limits, and how soon again after they failed. */
export class Children {
  readonly #options: ChildrenOptions;
  readonly #running = new Map<ServerProcess, Running>();
  readonly #backoff: StartBackoff;

  constructor(options: ChildrenOptions) {
    this.#options = options;
    this.#backoff = new StartBackoff(options);
  }

  get count(): number {
    return this.#running.size;
  }

  /** How many more may be started now. */
  get free(): number {
    return this.#options.maximum - this.#running.size;
  }

  /** Every target whose process failed when it was last started. */
  get failing(): readonly TargetHealth[] {
    return this.#backoff.failing;
  }

  /** For a session. How it fares counts. Throws TargetRefusedError when it may not be started now or cannot be. */
  start(wanted: WantedChild, listener: ServerProcessListener): ServerProcess {
    const startedAt = this.#options.now();
    const isEarly = () => this.#options.now() - startedAt < EARLY_DEATH_MS;
    let endedByItself = false;
    const process = this.#startCounted(wanted, {
      ...bound(listener),
      ended: (reason) => {
        endedByItself = true;
        if (isEarly() || !process.spoke) this.#failedInUse(wanted.target, process, reason);
        listener.ended(reason);
      },
    });
    const lasting = setTimeout(() => process.spoke && this.#backoff.worked(wanted.target), EARLY_DEATH_MS);
    lasting.unref();
    void process.gone.then(() => {
      clearTimeout(lasting);
      if (process.spoke && (!endedByItself || !isEarly())) this.#backoff.worked(wanted.target);
    });
    return process;
  }

  /** Only to be asked something: some servers leave at a question they do not know, which is no failure of theirs. */
  startProbe(wanted: WantedChild, listener: ServerProcessListener): ServerProcess {
    this.#admit(wanted.target);
    return this.#spawn(wanted, listener);
  }

  /** Whoever probed a target found that it cannot be used at all. */
  failed(target: string, reason: string): void {
    this.#backoff.failed(target, reason, this.#kindWithoutUse(target));
  }

  /** Others of this target that are well show that it works: then what ended this one is its session's own affair. */
  #failedInUse(target: string, process: ServerProcess, reason: string): void {
    const wasUsed = process.spoke || process.wasCalled;
    if (!wasUsed) this.#backoff.failed(target, reason, this.#kindWithoutUse(target));
    else if (!this.#isWell(target)) this.#backoff.failed(target, reason, "in_use");
  }

  #kindWithoutUse(target: string): FailureKind {
    return this.#isWell(target) ? "in_use" : "unusable";
  }

  /** A session has been using it for a while. */
  #isWell(target: string): boolean {
    const latest = this.#options.now() - EARLY_DEATH_MS;
    return [...this.#running].some(
      ([process, running]) =>
        running.target === target && running.startedAt <= latest && process.spoke && !process.isOver,
    );
  }

  #startCounted(wanted: WantedChild, listener: ServerProcessListener): ServerProcess {
    this.#admit(wanted.target);
    try {
      return this.#spawn(wanted, listener);
    } catch (error) {
      if (error instanceof TargetRefusedError) {
        this.#backoff.failed(wanted.target, error.message, this.#kindWithoutUse(wanted.target));
      }
      throw error;
    }
  }

  #admit(target: string): void {
    const problem = this.#problemWith(target);
    if (problem !== undefined) throw new TargetRefusedError("TARGET_UNAVAILABLE", problem);
  }

  #problemWith(target: string): string | undefined {
    const { maximum, watchdog } = this.#options;
    if (!watchdog.isWatching) return "the agent cannot guard child processes now: look at its log";
    if (this.#running.size >= maximum) {
      return `this agent is at its limit of ${maximum} processes of targets: try again later`;
    }
    return this.#backoff.problemWith(target);
  }

  #spawn({ target, command, limits }: WantedChild, listener: ServerProcessListener): ServerProcess {
    try {
      const process = new ServerProcess({
        ...this.#options,
        command,
        limits: smallerLimits(limits, this.#options.limits),
        listener,
      });
      this.#running.set(process, { target, startedAt: this.#options.now() });
      void process.gone.then(() => this.#running.delete(process));
      return process;
    } catch (error) {
      // Node reports most failures to start later, but throws a few (arguments too long, no file descriptors left).
      throw new TargetRefusedError("TARGET_UNAVAILABLE", describeStartError(error as NodeJS.ErrnoException));
    }
  }
}

function bound(listener: ServerProcessListener): ServerProcessListener {
  return {
    stdout: (chunk) => listener.stdout(chunk),
    stderr: (text) => listener.stderr(text),
    ended: (reason) => listener.ended(reason),
  };
}
