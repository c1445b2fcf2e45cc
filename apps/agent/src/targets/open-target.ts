import type {
  TargetDefinition,
  TargetDefinition_HttpTransport as HttpTransport,
  TargetDefinition_StdioTransport as StdioTransport,
} from "@drawbridge/protocol";
import type { AllowRules } from "./allow-rules.js";
import { checkCommand } from "./command-check.js";
import { checkHeaders } from "./header-check.js";
import { HttpTarget } from "./http-target.js";
import { StdioTarget } from "./stdio-target.js";
import type { Target, TargetListener } from "./target.js";
import { TargetRefusedError } from "./target-refused-error.js";
import { checkUrl } from "./url-rule.js";
import type { Watchdog } from "./watchdog.js";

/** What this host gives to the targets it runs, and what it forbids them. */
export interface TargetHost {
  readonly allow: AllowRules;
  readonly childDirectory: string;
  readonly inheritedEnvironment: Readonly<Record<string, string | undefined>>;
  readonly watchdog: Watchdog;
  readonly maxMessageBytes: number;
  readonly stderrBytesPerSecond: number;
}

/** Starts or prepares a target if this host's own rules allow it. Throws TargetRefusedError otherwise. */
export function openTarget(host: TargetHost, definition: TargetDefinition, listener: TargetListener): Target {
  switch (definition.transport?.$case) {
    case "stdio":
      return openStdio(host, definition.transport.value, listener);
    case "http":
      return openHttp(host, definition.transport.value, listener);
    case undefined:
      throw new TargetRefusedError(
        "NOT_SENT",
        "this agent does not know the target's transport: upgrade the agent",
      );
  }
}

function openStdio(host: TargetHost, wanted: StdioTransport, listener: TargetListener): Target {
  const command = checkCommand(host.allow.commands, wanted, {
    searchPath: host.inheritedEnvironment["PATH"] ?? "",
    childDirectory: host.childDirectory,
  });
  if (typeof command === "string") throw new TargetRefusedError("NOT_ALLOWED_HERE", command);
  if (!host.watchdog.isWatching) {
    throw new TargetRefusedError(
      "TARGET_UNAVAILABLE",
      "the agent cannot guard child processes now: look at its log",
    );
  }
  try {
    return new StdioTarget({ ...host, command, listener });
  } catch (error) {
    // Node reports most failures to start later, but throws a few (arguments too long, no file descriptors left).
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new TargetRefusedError(
      "TARGET_UNAVAILABLE",
      `the target could not be started (${code}): look at its arguments, its environment and the agent's host`,
    );
  }
}

function openHttp(host: TargetHost, wanted: HttpTransport, listener: TargetListener): Target {
  const url = checkUrl(host.allow.urls, wanted.url);
  if (typeof url === "string") throw new TargetRefusedError("NOT_ALLOWED_HERE", url);
  const problem = checkHeaders(wanted.headers);
  if (problem !== undefined) throw new TargetRefusedError("NOT_ALLOWED_HERE", problem);
  return new HttpTarget({ url, headers: wanted.headers, maxMessageBytes: host.maxMessageBytes, listener });
}
