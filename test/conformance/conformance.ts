import { type ClientResult, runClientScenarios } from "./client-scenarios.js";
import { type Cell, runMatrix } from "./matrix.js";
import { type Options, parseOptions, USAGE } from "./options.js";
import { runOwnTarget } from "./own-target.js";
import type { SeenExchange } from "./shim.js";
import { clientTable, failures, findings, table } from "./table.js";

export interface Output {
  /** For whoever asked. */
  write(text: string): void;
  /** For whoever waits, one line. */
  say(line: string): void;
}

/** Runs what the command line asks for. Resolves with the exit code. @throws an error for people */
export async function runConformance(args: readonly string[], output: Output): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    output.write(USAGE);
    return 0;
  }
  const say = (line: string) => output.say(line);
  const cells = await (options.target === undefined
    ? runMatrix({ ...options, say })
    : runOwnTarget(options.target, { ...options, say }));
  const clients = options.clients ? await runClientScenarios({ revisions: options.revisions, say }) : [];
  const found = count(cells, clients);
  if (options.json) output.write(`${JSON.stringify({ ...found, cells, clients }, undefined, 2)}\n`);
  else output.write(report({ cells, clients, options, found }));
  return found.differences + found.gaps === 0 ? 0 : 1;
}

interface Found {
  readonly differences: number;
  readonly gaps: number;
}

function count(cells: readonly Cell[], clients: readonly ClientResult[]): Found {
  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
  return {
    differences: sum([...cells, ...clients].map(({ differences }) => differences.length)),
    gaps: sum(cells.map(({ recording }) => recording.gaps.length)),
  };
}

function report({
  cells,
  clients,
  options,
  found,
}: {
  cells: readonly Cell[];
  clients: readonly ClientResult[];
  options: Options;
  found: Found;
}): string {
  const sections = [
    ...(cells.length === 0 ? [] : [table(cells)]),
    ...(clients.length === 0 ? [] : [clientTable(clients)]),
    failures(cells).join("\n"),
    findings(cells, clients).join("\n"),
    options.trace ? cells.flatMap(({ said }) => said.map(trace)).join("\n") : "",
    `differences: ${found.differences}, gaps in recordings: ${found.gaps}`,
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function trace({ label, method, path, requestBody, status, responseBody, isAborted }: SeenExchange): string {
  const left = isAborted ? ", and the client left" : "";
  return `[${label}] ${method} ${path} ${requestBody}\n  ${status}${left} ${responseBody}`;
}
