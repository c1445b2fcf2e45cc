import { percentile } from "./percentile.js";

/** In microseconds. */
export interface Spread {
  readonly p50Micros: number;
  readonly p99Micros: number;
}

/** Times `work` so many times, after a fifth as many to warm up. */
export function sample(count: number, work: (index: number) => unknown): Spread {
  const nanos = new Float64Array(count);
  for (let index = 0; index < count / 5; index++) work(index);
  for (let index = 0; index < count; index++) {
    const start = process.hrtime.bigint();
    work(index);
    nanos[index] = Number(process.hrtime.bigint() - start);
  }
  nanos.sort();
  return { p50Micros: percentile(nanos, 50) / 1_000, p99Micros: percentile(nanos, 99) / 1_000 };
}
