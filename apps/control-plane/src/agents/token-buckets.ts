export interface BucketLimits {
  readonly perSecond: number;
  readonly burst: number;
  /** How many keys are remembered; beyond that everybody new shares one bucket. */
  readonly keys: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

const OVERFLOW = "";

/** How often each key may do something. A full bucket is as good as none, so memory holds only recent keys. */
export class TokenBuckets {
  readonly #limits: BucketLimits;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(limits: BucketLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  /** False when the key has to wait. */
  take(key: string): boolean {
    const bucket = this.#bucketOf(key);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  #bucketOf(wanted: string): Bucket {
    const { burst, keys } = this.#limits;
    if (!this.#buckets.has(wanted) && this.#buckets.size >= keys) this.#forgetFull();
    const key = this.#buckets.has(wanted) || this.#buckets.size < keys ? wanted : OVERFLOW;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, at: this.#now() };
    this.#refill(bucket);
    this.#buckets.set(key, bucket);
    return bucket;
  }

  #refill(bucket: Bucket): void {
    const now = this.#now();
    const { perSecond, burst } = this.#limits;
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1_000) * perSecond);
    bucket.at = now;
  }

  #forgetFull(): void {
    for (const [key, bucket] of this.#buckets) {
      this.#refill(bucket);
      if (bucket.tokens >= this.#limits.burst) this.#buckets.delete(key);
    }
  }
}
