import { DomainError } from "./errors.js";

const MAX_WAITING = 100;

/**
 * What is done about one thing only once at a time in this process. Others are kept out by a lock in the database; but
 * whoever waits there takes one of the few connections that everybody shares.
 */
export class Turns {
  private readonly waiting = new Map<string, { count: number; last: Promise<unknown> }>();

  /** @throws DomainError too_many_requests_pending when too much waits already, and what `work` throws */
  async of<Result>(thing: string, work: () => Promise<Result>): Promise<Result> {
    const line = this.waiting.get(thing) ?? { count: 0, last: Promise.resolve() };
    if (line.count >= MAX_WAITING)
      throw new DomainError(
        "too_many_requests_pending",
        "too many ask for the same at once: try again in a moment",
      );
    const turn = line.last.then(work);
    line.count += 1;
    line.last = turn.catch(() => undefined);
    this.waiting.set(thing, line);
    try {
      return await turn;
    } finally {
      line.count -= 1;
      if (line.count === 0) this.waiting.delete(thing);
    }
  }
}
