import { setTimeout as sleep } from "node:timers/promises";

const PAUSE = Symbol("pause");

/**
 * The items as they come, and what `meanwhile` says whenever none has come for so long. No item is asked for before the
 * one before it was taken.
 */
export async function* withPauses<Item>(
  items: AsyncGenerator<Item>,
  everyMs: number,
  meanwhile: () => Item,
): AsyncGenerator<Item> {
  try {
    for (;;) {
      const next = items.next();
      // Whoever leaves while it is under way does not hear of its failure.
      next.catch(() => undefined);
      let result: IteratorResult<Item> | typeof PAUSE;
      while ((result = await orPause(next, everyMs)) === PAUSE) yield meanwhile();
      if (result.done === true) return;
      yield result.value;
    }
  } finally {
    await items.return(undefined);
  }
}

async function orPause<Result>(wanted: Promise<Result>, afterMs: number): Promise<Result | typeof PAUSE> {
  const pausing = new AbortController();
  try {
    return await Promise.race([
      wanted,
      sleep(afterMs, PAUSE, { signal: pausing.signal }).catch((): typeof PAUSE => PAUSE),
    ]);
  } finally {
    pausing.abort();
  }
}
