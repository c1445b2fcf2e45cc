/** How many get their turn. */
export interface Room {
  /** Of what is about the same thing. */
  readonly atOnce: number;
  /** Those who wait are counted, too. Everybody may wait unless it is given. */
  readonly most?: number;
  /** What whoever is one too many is told. */
  readonly tooMany?: () => Error;
}

interface Line {
  underWay: number;
  readonly waiting: (() => void)[];
}

/**
 * What only so many do at once about one thing in this process; the others wait in the order in which they came. The database
 * has locks, but whoever waits there takes one of the few connections that everybody shares.
 */
export class Turns {
  private readonly lines = new Map<string, Line>();

  constructor(private readonly room: Room) {}

  /** @throws what `tooMany` makes when too many are there already, and what `work` throws */
  async of<Result>(thing: string, work: () => Promise<Result>): Promise<Result> {
    const line = this.lines.get(thing) ?? { underWay: 0, waiting: [] };
    this.refuseTooMany(line);
    this.lines.set(thing, line);
    if (line.underWay < this.room.atOnce) line.underWay += 1;
    // Whoever is done hands its turn on.
    else await new Promise<void>((resolve) => line.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = line.waiting.shift();
      if (next) next();
      else line.underWay -= 1;
      if (line.underWay === 0) this.lines.delete(thing);
    }
  }

  private refuseTooMany({ underWay, waiting }: Line): void {
    const { most = Infinity, tooMany = () => new Error("too many wait for their turn") } = this.room;
    if (underWay + waiting.length >= most) throw tooMany();
  }
}
