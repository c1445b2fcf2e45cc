import { usageError } from "../operator-error.js";

/** One URL, or with a trailing `/*` everything below one. */
export interface UrlRule {
  readonly origin: string;
  /** With a trailing slash when `below`. */
  readonly path: string;
  readonly query: string;
  readonly below: boolean;
}

/** Reads a rule of the configuration. */
export function parseUrlRule(text: string): UrlRule {
  const below = text.endsWith("/*");
  const url = plainUrl(below ? text.slice(0, -1) : text);
  if (typeof url === "string") throw usageError(`allow.urls: ${JSON.stringify(text)} ${url}`);
  if (below && url.search !== "")
    throw usageError(`allow.urls: ${JSON.stringify(text)} cannot have both a query and /*`);
  return { origin: url.origin, path: url.pathname, query: url.search, below };
}

/** The URL to request, normalised, or in words why it is refused. */
export function checkUrl(rules: readonly UrlRule[], text: string): URL | string {
  const url = plainUrl(text);
  if (typeof url === "string") return `the target's URL ${url}`;
  if (rules.some((rule) => matches(rule, url))) return url;
  return "the agent's configuration does not allow this URL: its operator would have to add it to allow.urls";
}

/**
 * The URL a server of HTTP+SSE wants messages posted to, or in words why it is refused. Its path has to be allowed; what
 * follows the path is the id the server gave the session.
 */
export function checkEndpoint(rules: readonly UrlRule[], endpoint: URL): URL | string {
  const withoutQuery = new URL(endpoint);
  withoutQuery.search = "";
  const problems = [endpoint, withoutQuery].map((url) => checkUrl(rules, url.href));
  return problems.some((problem) => problem instanceof URL) ? endpoint : (problems[0] ?? endpoint);
}

function matches(rule: UrlRule, url: URL): boolean {
  if (rule.origin !== url.origin) return false;
  if (!rule.below) return rule.path === url.pathname && rule.query === url.search;
  return url.pathname.startsWith(rule.path) && !HIDDEN_SEPARATOR.test(url.pathname);
}

// A server behind the URL may decode these and climb out of the path the rule names.
const HIDDEN_SEPARATOR = /%2f|%5c|%2e|%25|\\/i;

function plainUrl(text: string): URL | string {
  if (!URL.canParse(text)) return "is not a URL";
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return "is neither http nor https";
  if (url.username !== "" || url.password !== "") return "holds a user name or password";
  if (url.hash !== "") return "has a fragment";
  return url;
}
