/** A time of the API, in UTC and without what nobody reads. */
export function time(timestamp: string | null | undefined): string | undefined {
  if (timestamp === null || timestamp === undefined) return undefined;
  return new Date(timestamp)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}

/** The time of day to the millisecond, for one recording's timeline. */
export function timeOfDay(timestamp: string): string {
  return new Date(timestamp).toISOString().slice(11, 23);
}
