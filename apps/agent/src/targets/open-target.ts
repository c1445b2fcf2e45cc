import type {
  TargetDefinition,
  TargetDefinition_HttpTransport as HttpTransport,
  TargetDefinition_StdioTransport as StdioTransport,
} from "@drawbridge/protocol";
import type { Era } from "@drawbridge/mcp";
import { NO_CHILD_LIMITS } from "./child-limits.js";
import type { WantedChild } from "./children.js";
import { checkCommand } from "./command-check.js";
import { checkHeaders } from "./header-check.js";
import { HttpTarget } from "./http-target.js";
import { ModernHttpTarget } from "./modern-http-target.js";
import { ModernStdioTarget } from "./modern-stdio-target.js";
import { SseTarget } from "./sse-target.js";
import { StdioTarget } from "./stdio-target.js";
import type { Target, TargetListener } from "./target.js";
import type { TargetHost } from "./target-host.js";
import { TargetRefusedError } from "./target-refused-error.js";
import { checkEndpoint, checkUrl } from "./url-rule.js";

export interface TargetUse {
  readonly listener: TargetListener;
  /** Of the whole session: a target never speaks two in one. */
  readonly era: Era;
}

/** Starts or prepares a target if this host's own rules allow it. Throws TargetRefusedError otherwise. */
export function openTarget(host: TargetHost, definition: TargetDefinition, use: TargetUse): Target {
  switch (definition.transport?.$case) {
    case "stdio": {
      const wanted = checkStdio(host, definition.name, definition.transport.value);
      return openStdio(host, wanted, use);
    }
    case "http":
      return openHttp(host, definition.transport.value, use);
    case "sse":
      return openSse(host, definition.transport.value, use);
    case undefined:
      throw new TargetRefusedError(
        "NOT_SENT",
        "this agent does not know the target's transport: upgrade the agent",
      );
  }
}

/** What this host would start, exactly. Throws TargetRefusedError when its rules do not allow it. */
export function checkStdio(host: TargetHost, target: string, wanted: StdioTransport): WantedChild {
  const command = checkCommand(host.allow.commands, wanted, {
    searchPath: host.inheritedEnvironment["PATH"] ?? "",
    childDirectory: host.childDirectory,
  });
  if (typeof command === "string") throw new TargetRefusedError("NOT_ALLOWED_HERE", command);
  return { target, command, limits: wanted.limits ?? NO_CHILD_LIMITS };
}

/** Where this host would connect to. Throws TargetRefusedError when its rules do not allow it. */
export function checkHttp(host: TargetHost, wanted: HttpTransport): URL {
  const url = checkUrl(host.allow.urls, wanted.url);
  if (typeof url === "string") throw new TargetRefusedError("NOT_ALLOWED_HERE", url);
  const problem = checkHeaders(wanted.headers);
  if (problem !== undefined) throw new TargetRefusedError("NOT_ALLOWED_HERE", problem);
  return url;
}

function openStdio(host: TargetHost, wanted: WantedChild, { listener, era }: TargetUse): Target {
  const options = { ...host, start: host.children.start.bind(host.children, wanted) };
  return era === "modern" ? new ModernStdioTarget(options, listener) : new StdioTarget(options, listener);
}

function openHttp(host: TargetHost, wanted: HttpTransport, { listener, era }: TargetUse): Target {
  const options = { ...host, url: checkHttp(host, wanted), headers: wanted.headers, listener };
  return era === "modern" ? new ModernHttpTarget(options) : new HttpTarget(options);
}

function openSse(host: TargetHost, wanted: HttpTransport, { listener, era }: TargetUse): Target {
  const url = checkHttp(host, wanted);
  if (era === "modern")
    throw new TargetRefusedError("NOT_SENT", "a target of HTTP+SSE speaks no revision without sessions");
  const check = (endpoint: URL) => checkEndpoint(host.allow.urls, endpoint);
  return new SseTarget({ ...host, url, headers: wanted.headers, checkEndpoint: check, listener });
}
