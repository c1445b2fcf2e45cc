import type { AllowRules } from "./allow-rules.js";
import type { ChildLimits } from "./child-limits.js";
import { Children } from "./children.js";
import type { TargetHealth } from "./start-backoff.js";
import type { Watchdog } from "./watchdog.js";

/** Up to this size a message is handled whole; a larger one goes on in pieces. */
export const WHOLE_MESSAGE_BYTES = 4 * 1024 * 1024;

/** What this host gives to the targets it runs, and what it forbids them. */
export interface TargetHost {
  readonly allow: AllowRules;
  readonly childDirectory: string;
  readonly inheritedEnvironment: Readonly<Record<string, string | undefined>>;
  readonly children: Children;
  /** Longest message to a target. */
  readonly maxMessageBytes: number;
  /** Longest message of a target that is kept whole. */
  readonly wholeMessageBytes: number;
}

export interface TargetHostOptions {
  readonly allow: AllowRules;
  /** Where a child runs whose definition names no directory. */
  readonly childDirectory: string;
  /** The agent's own. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly limits: {
    readonly children: number;
    readonly perChild: ChildLimits;
    readonly messageBytes: number;
    readonly stderrBytesPerSecond: number;
  };
  readonly watchdog: Watchdog;
  /** A target's process failed once more, or works again after it had failed. */
  readonly onHealth: (health: TargetHealth) => void;
}

export function createTargetHost(options: TargetHostOptions): TargetHost {
  const { limits, environment } = options;
  return {
    allow: options.allow,
    childDirectory: options.childDirectory,
    inheritedEnvironment: environment,
    children: new Children({
      maximum: limits.children,
      limits: limits.perChild,
      inheritedEnvironment: environment,
      stderrBytesPerSecond: limits.stderrBytesPerSecond,
      watchdog: options.watchdog,
      now: () => performance.now(),
      onHealth: options.onHealth,
    }),
    maxMessageBytes: limits.messageBytes,
    wholeMessageBytes: Math.min(WHOLE_MESSAGE_BYTES, limits.messageBytes),
  };
}
