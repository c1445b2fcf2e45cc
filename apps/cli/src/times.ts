/** A time of the API, in UTC and without what nobody reads. */
export function time(timestamp: string | null | undefined): string | undefined {
  if (timestamp === null || timestamp === undefined) return undefined;
  return new Date(timestamp)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}

const UNITS = [
  ["d", 86_400],
  ["h", 3600],
  ["m", 60],
  ["s", 1],
] as const;

/** A length of time in at most two units, such as `2h 5m`; nothing is negative. */
export function lasting(milliseconds: number): string {
  let rest = Math.max(0, Math.round(milliseconds / 1000));
  const parts: string[] = [];
  for (const [unit, seconds] of UNITS) {
    if (rest >= seconds && parts.length < 2) parts.push(`${Math.floor(rest / seconds)}${unit}`);
    else if (parts.length > 0) break;
    rest %= seconds;
  }
  return parts.join(" ") || "0s";
}

/** How long ago it was, by this machine's clock. */
export function age(timestamp: string): string {
  return lasting(Date.now() - Date.parse(timestamp));
}

/** How long until then, by this machine's clock. */
export function left(timestamp: string): string {
  return lasting(Date.parse(timestamp) - Date.now());
}

/** The time of day to the millisecond, for one recording's timeline. */
export function timeOfDay(timestamp: string): string {
  return new Date(timestamp).toISOString().slice(11, 23);
}
