import type { Exchanges } from "./exchanges.js";

const ID_MEMBER = /"id"\s*:\s*("[^"\\]*"|-?\d+)/g;

/**
 * Which exchange a message belonged to that was too long to keep, judged by its first and last bytes: servers write the
 * id at one end or the other. The guess can only be wrong about exchanges of the same session.
 */
export function exchangeOfExcerpt(exchanges: Exchanges, excerpt: string): number | undefined {
  const ids = [...excerpt.matchAll(ID_MEMBER)].flatMap((match) => match[1] ?? []);
  const found = new Set(ids.flatMap((text) => exchanges.exchangeOfId({ text }) ?? []));
  const [only] = found.size === 1 ? found : exchanges.open;
  return found.size === 1 || exchanges.open.length === 1 ? only : undefined;
}
