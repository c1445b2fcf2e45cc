interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
}

/** The cookies of one origin, as far as one sign-in needs them: path and deletion, nothing that outlives the command. */
export class CookieJar {
  readonly #cookies = new Map<string, Cookie>();

  store(url: URL, setCookies: readonly string[]): void {
    for (const line of setCookies) {
      const [pair = "", ...attributes] = line.split(";").map((part) => part.trim());
      const separator = pair.indexOf("=");
      if (separator < 1) continue;
      const settings = new Map(attributes.map((attribute) => splitAttribute(attribute)));
      const path = settings.get("path") ?? url.pathname;
      const cookie = { name: pair.slice(0, separator), value: pair.slice(separator + 1), path };
      if (isOver(settings)) this.#cookies.delete(`${cookie.name} ${path}`);
      else this.#cookies.set(`${cookie.name} ${path}`, cookie);
    }
  }

  header(url: URL): string {
    return [...this.#cookies.values()]
      .filter(
        ({ path }) =>
          url.pathname === path || url.pathname.startsWith(path.endsWith("/") ? path : `${path}/`),
      )
      .map(({ name, value }) => `${name}=${value}`)
      .join("; ");
  }
}

function splitAttribute(attribute: string): [string, string] {
  const separator = attribute.indexOf("=");
  if (separator < 0) return [attribute.toLowerCase(), ""];
  return [attribute.slice(0, separator).toLowerCase(), attribute.slice(separator + 1)];
}

function isOver(settings: ReadonlyMap<string, string>): boolean {
  const maxAge = settings.get("max-age");
  if (maxAge !== undefined) return Number(maxAge) <= 0;
  const expires = settings.get("expires");
  return expires !== undefined && Date.parse(expires) <= Date.now();
}
