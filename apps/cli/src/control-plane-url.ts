import { usageError } from "./errors.js";

export const DEFAULT_URL = "http://127.0.0.1:8080";

/**
 * The control plane's address in the one form under which its credentials are kept: no slash at the end.
 * @throws CliError for anything but https, or http to this machine: a token must not travel in the clear
 */
export function controlPlaneUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw usageError(
      `${text} is not the address of a control plane; write it like https://drawbridge.example.com`,
    );
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw usageError("the address of a control plane has no user, query or fragment");
  }
  if (!isSafeForTokens(url)) {
    throw usageError(`${url.origin} is not on this machine, so it has to be https`);
  }
  return url.href.replace(/\/+$/, "");
}

/** Https, or this machine. */
export function isSafeForTokens(url: URL): boolean {
  if (url.protocol === "https:") return true;
  return url.protocol === "http:" && /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
}
