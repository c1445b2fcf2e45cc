/** Names of headers, lower case as Node gives them. */
export const HttpHeader = {
  accept: "accept",
  contentType: "content-type",
  host: "host",
  lastEventId: "last-event-id",
  origin: "origin",
  protocolVersion: "mcp-protocol-version",
  sessionId: "mcp-session-id",
  /** 2026-07-28 */
  method: "mcp-method",
  /** 2026-07-28 */
  name: "mcp-name",
} as const;

/** 2026-07-28: what the headers of tool arguments begin with. */
export const PARAMETER_HEADER_PREFIX = "mcp-param-";

export const JSON_MEDIA_TYPE = "application/json";
export const EVENT_STREAM_MEDIA_TYPE = "text/event-stream";

/** A POST must list both kinds of answer (Streamable HTTP, "Sending Messages to the Server"); wildcards do not. */
export function acceptsMcp(accept: string | undefined): boolean {
  return accepts(accept, JSON_MEDIA_TYPE) && accepts(accept, EVENT_STREAM_MEDIA_TYPE);
}

/** A GET must list the event stream. */
export function acceptsEventStream(accept: string | undefined): boolean {
  return accepts(accept, EVENT_STREAM_MEDIA_TYPE);
}

function accepts(accept: string | undefined, mediaType: string): boolean {
  return (accept ?? "").split(",").some((range) => {
    const [type, ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    return type === mediaType && !parameters.some((parameter) => /^q *= *0(\.0*)?$/.test(parameter));
  });
}

/** application/json, in UTF-8 if it says a charset at all. */
export function isJsonContentType(contentType: string | undefined): boolean {
  const [type, ...parameters] = (contentType ?? "").split(";").map((part) => part.trim().toLowerCase());
  if (type !== JSON_MEDIA_TYPE) return false;
  return parameters.every(
    (parameter) => !parameter.startsWith("charset") || /^charset="?utf-?8"?$/.test(parameter),
  );
}

export function isEventStreamContentType(contentType: string | undefined): boolean {
  return (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() === EVENT_STREAM_MEDIA_TYPE;
}

/** True without an Origin (not a browser) or with one of `allowed`, such as `https://console.example.com`. */
export function validOrigin(origin: string | undefined, allowed: readonly string[]): boolean {
  if (origin === undefined) return true;
  const normal = normalOrigin(origin);
  return normal !== undefined && allowed.some((candidate) => normalOrigin(candidate) === normal);
}

/** Undefined for what is no http(s) origin: `null`, a URL with a path, a list. */
function normalOrigin(origin: string): string | undefined {
  if (!/^https?:\/\/[^/?#@\s\\]+$/i.test(origin) || !URL.canParse(origin)) return undefined;
  return new URL(origin).origin;
}

/**
 * Whether Host names this server: what stands between a page that rebinds its DNS name and a server on loopback.
 * `allowed` has `name` (any port) or `name:port`; IPv6 in brackets. Without a Host: false.
 */
export function validHost(host: string | undefined, allowed: readonly string[]): boolean {
  const parts = hostParts(host ?? "");
  if (parts === undefined) return false;
  return allowed.some((candidate) => {
    const wanted = hostParts(candidate);
    return wanted?.name === parts.name && (wanted.port === undefined || wanted.port === parts.port);
  });
}

function hostParts(host: string): { readonly name: string; readonly port: string | undefined } | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?$/i.exec(host);
  return match?.[1] === undefined ? undefined : { name: match[1].toLowerCase(), port: match[2] };
}
