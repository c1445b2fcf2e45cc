/** What one process of a target may use, and each process it starts. 0: not limited. */
export interface ChildLimits {
  /** Heap and other private writable memory (RLIMIT_DATA): runtimes reserve far more address space than they use. */
  readonly memoryBytes: number;
  readonly cpuSeconds: number;
  readonly openFiles: number;
  /** Of all processes of the agent's user on this host (RLIMIT_NPROC), not only of this target. Not enforced for root. */
  readonly processes: number;
}

export const NO_CHILD_LIMITS: ChildLimits = { memoryBytes: 0, cpuSeconds: 0, openFiles: 0, processes: 0 };

/** The smaller of both wherever both limit something. */
export function smallerLimits(one: ChildLimits, other: ChildLimits): ChildLimits {
  return {
    memoryBytes: smaller(one.memoryBytes, other.memoryBytes),
    cpuSeconds: smaller(one.cpuSeconds, other.cpuSeconds),
    openFiles: smaller(one.openFiles, other.openFiles),
    processes: smaller(one.processes, other.processes),
  };
}

function smaller(one: number, other: number): number {
  if (one === 0 || other === 0) return Math.max(one, other);
  return Math.min(one, other);
}

/**
 * Sets the limits it is given (empty: leave it), then becomes the command. A shell because it is on every host an agent
 * runs on, as prlimit is not. What it is given are positional parameters and never part of the script.
 * A limit that cannot be set is fine only where the host's own is smaller. Processes are -u in bash, -p in dash and busybox.
 */
const SCRIPT = `
limit() {
  [ -z "$2" ] && return
  ulimit "$1" "$2" 2>/dev/null && return
  [ "$(ulimit -H "$1")" -le "$2" ] 2>/dev/null && return
  echo "the limit $1 $2 of the target cannot be set on this host" >&2
  exit 126
}
processes=-u
ulimit -u >/dev/null 2>&1 || processes=-p
limit -d "$1"
limit -t "$2"
limit -n "$3"
limit $processes "$4"
unset $5
shift 5
exec "$@"
`;
/** What shells add to the environment of what they start. */
const SHELL_VARIABLES = ["PWD", "OLDPWD", "SHLVL"];

export interface Launch {
  readonly command: string;
  readonly arguments: readonly string[];
}

/** How to start a command so that it has these limits: the command itself where there are none. */
export function limitedLaunch(
  { command, arguments: args }: Launch,
  limits: ChildLimits,
  environment: Readonly<Record<string, string>>,
): Launch {
  if (isUnlimited(limits)) return { command, arguments: args };
  const added = SHELL_VARIABLES.filter((name) => !Object.hasOwn(environment, name));
  return {
    command: "/bin/sh",
    arguments: [
      "-c",
      SCRIPT,
      "sh",
      asParameter(limits.memoryBytes && Math.max(1, Math.floor(limits.memoryBytes / 1024))),
      asParameter(limits.cpuSeconds),
      asParameter(limits.openFiles),
      asParameter(limits.processes),
      added.join(" "),
      command,
      ...args,
    ],
  };
}

function isUnlimited(limits: ChildLimits): boolean {
  return Object.values(limits).every((limit: number) => limit === 0);
}

function asParameter(limit: number): string {
  return limit === 0 ? "" : String(limit);
}
