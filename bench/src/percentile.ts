/**
 * The nearest-rank percentile: the smallest value that at least `percent` of a hundred values do not exceed. NaN of none.
 * @param sorted ascending
 */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}
