import { loadParsers, shellFacts, sqlFacts } from "@drawbridge/commands";
import { sample, type Spread } from "./spread.js";

export interface CommandResult extends Spread {
  readonly what: string;
}

const SQL =
  "select o.id, o.placed_at, c.name, sum(l.price * l.amount) as total from orders o join customers c on c.id = o.customer_id join lines l on l.order_id = o.id where o.status = 'open' group by 1, 2, 3 limit 50";
const SHELL = 'cd /srv/app && git log --oneline -20 | grep -i "fix" | sort -u > /tmp/fixes.txt';

/** How long it takes to find out what a command would do, which is done once for a call and apart from its decision. */
export async function measureCommands(count: number): Promise<CommandResult[]> {
  await loadParsers();
  const dialects = ["postgresql", "mysql"] as const;
  for (const dialect of dialects) {
    if (!sqlFacts(dialect, [SQL]).parsed) throw new Error(`the bench's ${dialect} statement does not parse`);
  }
  if (!shellFacts([SHELL]).parsed) throw new Error("the bench's shell line does not parse");
  return [
    ...dialects.map((dialect) => ({
      what: `${dialect}, ${SQL.length} bytes`,
      ...sample(count, () => sqlFacts(dialect, [SQL])),
    })),
    { what: `sh, ${SHELL.length} bytes`, ...sample(count, () => shellFacts([SHELL])) },
  ];
}
