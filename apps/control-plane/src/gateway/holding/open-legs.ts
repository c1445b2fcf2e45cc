import type { Leg } from "./leg.js";

/** The legs that are open in this process, by what they wait for; several requests may wait for the same. */
export class OpenLegs {
  private readonly byAwaited = new Map<string, Set<Leg>>();

  add(awaited: string, leg: Leg): void {
    const legs = this.byAwaited.get(awaited) ?? new Set();
    this.byAwaited.set(awaited, legs.add(leg));
  }

  /** The others look again whether it is their turn. */
  remove(awaited: string, leg: Leg): void {
    const legs = this.byAwaited.get(awaited);
    if (!legs?.delete(leg)) return;
    if (legs.size === 0) this.byAwaited.delete(awaited);
    for (const other of legs) other.stir();
  }

  has(awaited: string): boolean {
    return this.byAwaited.has(awaited);
  }

  isOnly(awaited: string, leg: Leg): boolean {
    const legs = this.byAwaited.get(awaited);
    return legs?.size === 1 && legs.has(leg);
  }

  /** Of several whose caller is there the newest runs it: an older connection may be dead without anybody knowing. */
  isTurnOf(awaited: string, leg: Leg): boolean {
    const there = [...(this.byAwaited.get(awaited) ?? [])].filter(({ isThere }) => isThere);
    return there.at(-1) === leg;
  }
}
