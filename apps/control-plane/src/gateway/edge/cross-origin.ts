import type { IncomingMessage, ServerResponse } from "node:http";
import { RECORDING_HEADER } from "../replies/reply.js";

const ALLOWED_HEADERS = [
  "authorization",
  "content-type",
  "accept",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
];
const PARAMETER_HEADER = /^mcp-param-[a-z0-9!#$%&'*+.^_`|~-]{1,128}$/;
const MOST_PARAMETERS = 64;
const PREFLIGHT_SECONDS = "600";

/** Lets the page of an allowed origin read the answer. The origin has been checked. */
export function allowOrigin({ headers: { origin } }: IncomingMessage, response: ServerResponse): void {
  if (origin === undefined) return;
  response.setHeader("Access-Control-Allow-Origin", origin);
  response.setHeader("Vary", "Origin");
  response.setHeader(
    "Access-Control-Expose-Headers",
    `Mcp-Session-Id, ${RECORDING_HEADER}, WWW-Authenticate`,
  );
}

/** What the browser asks before it lets the page of an allowed origin send anything; it shows no token. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return (
    method === "OPTIONS" &&
    headers.origin !== undefined &&
    headers["access-control-request-method"] !== undefined
  );
}

export function answerPreflight({ headers }: IncomingMessage, response: ServerResponse): void {
  // The names of Mcp-Param-* are the tools' own, and no wildcard stands for a part of a name.
  const parameters = (headers["access-control-request-headers"] ?? "")
    .split(",", ALLOWED_HEADERS.length + MOST_PARAMETERS)
    .map((name) => name.trim().toLowerCase())
    .filter((name) => PARAMETER_HEADER.test(name));
  response.setHeader("Access-Control-Allow-Methods", "POST, GET, DELETE");
  response.setHeader("Access-Control-Allow-Headers", [...ALLOWED_HEADERS, ...parameters].join(", "));
  response.setHeader("Access-Control-Max-Age", PREFLIGHT_SECONDS);
}
