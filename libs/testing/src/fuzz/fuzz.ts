import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "./random.js";

/** What a run is told, by the configuration of Vitest. */
export interface FuzzSettings {
  /** Messages and frames over all surfaces; each takes its share of them. */
  readonly iterations: number;
  readonly seed: number;
  /** When given, this surface alone takes them all. */
  readonly surface?: string | undefined;
  /** Inputs that failed once: they come first. */
  readonly found: readonly FoundInput[];
  /** Where to write what a run came to, for whoever started it. Absent: nobody asks, and nothing is printed. */
  readonly reports?: string | undefined;
}

declare module "vitest" {
  interface ProvidedContext {
    readonly fuzz: FuzzSettings;
  }
}

/** An input that failed once, as it is kept in test/fuzz/seeds.json. */
export interface FoundInput {
  readonly surface: string;
  /** Base64. */
  readonly bytes: string;
  /** Of what the check does with the bytes: where it cuts them, which headers it sends. */
  readonly seed: number;
  readonly why: string;
}

export interface FuzzSurface {
  readonly name: string;
  /** Of a thousand messages or frames, how many are for this one. */
  readonly share: number;
  readonly generate: (random: Random) => Uint8Array;
  /** Throws where the code under test does what it must not. Returns how many messages or frames that was, if not one. */
  readonly check: (bytes: Uint8Array, random: Random) => Promise<number | void> | number | void;
  /** What failed once may have left something behind: then it is not tried again with less of the input. */
  readonly isStateful?: boolean;
}

interface Case {
  readonly bytes: Uint8Array;
  readonly seed: number;
}

const SHRINKING_MS = 10_000;
const PROGRESS_MS = 10_000;
const WARM_UP = 0.2;
/** What the heap may have more at the end than after the warm-up. */
const HEAP_SLACK_BYTES = 48 * 1024 * 1024;

/**
 * Feeds one surface; resolves with how many messages or frames that were. Throws for the first input that fails its
 * check, made smaller, with all that is needed to see it again.
 */
export async function fuzz(surface: FuzzSurface, settings: FuzzSettings): Promise<number> {
  for (const { bytes, seed } of settings.found.filter((found) => found.surface === surface.name)) {
    await run(surface, { bytes: Buffer.from(bytes, "base64"), seed });
  }
  const share = settings.surface === undefined ? surface.share / 1_000 : 1;
  const wanted = Math.max(1, Math.round(settings.iterations * share));
  const progress = new Progress(surface.name, { wanted, settings });
  let done = 0;
  for (let index = 0; done < wanted; index++) {
    done += await runGenerated(surface, settings.seed, index);
    // Lets whatever waits for the event loop have its turn.
    if (index % 256 === 0) await new Promise((resolve) => setImmediate(resolve));
    await progress.at(done);
  }
  await progress.end(done);
  return done;
}

async function runGenerated(surface: FuzzSurface, runSeed: number, index: number): Promise<number> {
  const seed = new Random(runSeed ^ Math.imul(index + 1, 0x9e3779b1)).next();
  const found = { bytes: surface.generate(new Random(seed)), seed };
  try {
    const count = surface.check(found.bytes, new Random(seed));
    return (count instanceof Promise ? await count : count) ?? 1;
  } catch (error) {
    const small = surface.isStateful ? found : await shrunk(surface, found);
    throw new Error(`${explain(surface, small, runSeed)}; it was input ${index}`, { cause: error });
  }
}

async function run({ check }: FuzzSurface, { bytes, seed }: Case): Promise<void> {
  await check(bytes, new Random(seed));
}

/** Takes pieces away as long as it still fails. */
async function shrunk(surface: FuzzSurface, found: Case): Promise<Case> {
  const until = performance.now() + SHRINKING_MS;
  let bytes = found.bytes;
  for (let size = bytes.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at < bytes.length && performance.now() < until;) {
      const without = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)]);
      if (await fails(surface, { bytes: without, seed: found.seed })) bytes = without;
      else at += size;
    }
  }
  return { bytes, seed: found.seed };
}

async function fails(surface: FuzzSurface, tried: Case): Promise<boolean> {
  try {
    await run(surface, tried);
    return false;
  } catch {
    return true;
  }
}

function explain({ name }: FuzzSurface, { bytes, seed }: Case, runSeed: number): string {
  const entry = { surface: name, seed, bytes: Buffer.from(bytes).toString("base64"), why: "" };
  const shown = JSON.stringify(Buffer.from(bytes).toString("latin1").slice(0, 2_000));
  return `${name} failed (run seed ${runSeed}) for ${shown}; add to test/fuzz/seeds.json: ${JSON.stringify(entry)}`;
}

interface ProgressOf {
  readonly wanted: number;
  readonly settings: FuzzSettings;
}

/** Says how far it is, and looks at the heap where a collection can be asked for. */
class Progress {
  readonly #name: string;
  readonly #of: ProgressOf;
  readonly #startedAt = performance.now();
  #shownAt = performance.now();
  #warmHeap: number | undefined;

  constructor(name: string, of: ProgressOf) {
    this.#name = name;
    this.#of = of;
  }

  async at(done: number): Promise<void> {
    if (this.#of.settings.reports === undefined) return;
    if (done >= this.#of.wanted * WARM_UP) this.#warmHeap ??= await heapBytes();
    if (performance.now() - this.#shownAt < PROGRESS_MS) return;
    this.#shownAt = performance.now();
    console.log(`fuzz ${this.#name}: ${done} of ${this.#of.wanted}`);
  }

  async end(done: number): Promise<void> {
    const { reports, seed } = this.#of.settings;
    if (reports === undefined) return;
    const seconds = (performance.now() - this.#startedAt) / 1_000;
    const heap = await heapBytes();
    const report = { surface: this.#name, seed, done, seconds, warmHeap: this.#warmHeap, heap };
    mkdirSync(reports, { recursive: true });
    writeFileSync(path.join(reports, `${this.#name}.json`), JSON.stringify(report));
    if (heap !== undefined && this.#warmHeap !== undefined && heap > this.#warmHeap + HEAP_SLACK_BYTES) {
      throw new Error(`${this.#name}: the heap grew from ${this.#warmHeap} to ${heap} bytes`);
    }
  }
}

/** The least of a few looks: what a connection held goes a moment after it. */
async function heapBytes(): Promise<number | undefined> {
  if (globalThis.gc === undefined) return undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let looks = 0; looks < 5; looks++) {
    await sleep(200);
    globalThis.gc();
    const { heapUsed, external } = process.memoryUsage();
    least = Math.min(least, heapUsed + external);
  }
  return least;
}
