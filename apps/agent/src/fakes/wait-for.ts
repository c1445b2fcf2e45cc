import { eventually } from "@drawbridge/testing";

/** Waits until `find` finds something. */
export async function waitFor<T>(find: () => T | undefined, timeoutMs = 10_000): Promise<T> {
  return eventually(
    () => {
      const found = find();
      if (found === undefined) throw new Error(`still nothing after ${timeoutMs} ms`);
      return found;
    },
    { timeoutMs },
  );
}
