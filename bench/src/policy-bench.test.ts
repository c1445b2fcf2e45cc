import { expect, test } from "vitest";
import { runCommandLine } from "./command-line.js";

async function bench(...args: string[]): Promise<string> {
  const written: string[] = [];
  await runCommandLine(args, { write: (text) => written.push(text), say: () => undefined });
  return written.join("");
}

interface Printed {
  decisions: { rules: number; matching: number; conditional: number; p50Micros: number; p99Micros: number }[];
  oneTarget: { matching: number; p50Micros: number };
  oneTool: { p50Micros: number };
  commands: { what: string; p50Micros: number }[];
}

test("a quick look at policies measures decisions and commands and prints nothing but JSON", async () => {
  const { decisions, oneTarget, oneTool, commands } = JSON.parse(
    await bench("--policy", "--quick", "--json"),
  ) as Printed;
  expect(decisions.map(({ rules, matching, conditional }) => [rules, matching, conditional])).toEqual([
    [10, 5, 1],
    [100, 5, 1],
    [1_000, 5, 1],
    [10_000, 5, 1],
  ]);
  for (const { p50Micros, p99Micros } of decisions) {
    expect(p50Micros).toBeGreaterThan(0);
    expect(p99Micros).toBeGreaterThanOrEqual(p50Micros);
  }
  // A thousand times as many rules: far below what growth in proportion would be, whatever else the machine does.
  expect((decisions[3]?.p50Micros ?? 0) / (decisions[0]?.p50Micros ?? 1)).toBeLessThan(300);
  expect(oneTarget).toMatchObject({ matching: 100 });
  expect(oneTarget.p50Micros).toBeGreaterThan(0);
  expect(oneTool.p50Micros).toBeGreaterThan(0);
  expect(commands.map(({ what }) => what.split(",")[0])).toEqual(["postgresql", "mysql", "sh"]);
});

test("the table says what people ask: microseconds, growth, parsing apart", async () => {
  const table = await bench("--policy", "--quick");
  expect(table).toContain("for ten times the rules");
  expect(table).toContain("10000");
  expect(table).toContain("parsing of");
});
