import { expect, test } from "vitest";
import { runCommandLine } from "./command-line.js";

interface Printed {
  cases: Record<string, unknown>[];
}

async function bench(...args: string[]): Promise<{ printed: string; said: string[] }> {
  const written: string[] = [];
  const said: string[] = [];
  await runCommandLine(args, { write: (text) => written.push(text), say: (text) => said.push(text) });
  return { printed: written.join(""), said };
}

test("a quick run measures the cases that were asked for and prints nothing but JSON", async () => {
  const { printed } = await bench(
    "--quick",
    "--json",
    "--cases",
    "direct,node",
    "--seconds",
    "1",
    "--sessions",
    "1,4",
  );
  const { cases } = JSON.parse(printed) as Printed;
  expect(cases.map(({ name, era, sessions }) => [name, era, sessions].join(" "))).toEqual([
    "direct legacy 1",
    "node legacy 1",
    "direct legacy 4",
    "node legacy 4",
    "direct modern 1",
    "node modern 1",
    "direct modern 4",
    "node modern 4",
  ]);
  for (const each of cases) {
    expect(Object.keys(each)).toEqual([
      "name",
      "era",
      "sessions",
      "callsPerSecond",
      "p50Ms",
      "p99Ms",
      "rssMb",
    ]);
    const { name, callsPerSecond, p50Ms, p99Ms, rssMb } = each as { name: string } & Record<string, number>;
    expect(callsPerSecond).toBeGreaterThan(1);
    expect(p50Ms).toBeGreaterThan(0);
    expect(p99Ms).toBeGreaterThanOrEqual(p50Ms ?? Infinity);
    // Two Node processes; and nothing stands between a client and the target itself.
    expect((rssMb ?? Number.NaN) > 50).toBe(name === "node");
  }
});

test.each([
  [["--cases", "envoy"], "use direct, nginx, node, drawbridge"],
  [["--eras", "stone"], "use legacy, modern"],
  [["--seconds", "0"], "use a whole number from 1 to 600"],
  [["--sessions", "1,x"], "use a whole number from 1 to 128"],
  [["--fast"], "Unknown option '--fast'"],
])("%j is refused with what to do", async (args, says) => {
  await expect(bench(...args)).rejects.toThrow(says);
});
