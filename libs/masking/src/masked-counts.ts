/** How often each kind was masked. */
export type MaskedCounts = Record<string, number>;
