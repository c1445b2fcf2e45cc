/** Thrown while a line is walked, caught in `shellFacts` only: nothing is known of the line. */
export class UnreadableLine extends Error {}
