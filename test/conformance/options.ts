import { parseArgs } from "node:util";
import { PLANTED_BUGS, type PlantedBug } from "./governed.js";
import { type Revision, REVISIONS, type Transport, TRANSPORTS } from "./revisions.js";

export const USAGE = `Usage: pnpm conformance [options]
       pnpm conformance [options] --target URL
       pnpm conformance [options] --target COMMAND [ARGUMENT...]

Runs the MCP conformance suite against a server directly and through Drawbridge, and compares what it says. Without
--target the server is a fixture of this repository, over HTTP, stdio and HTTP+SSE; the suite's scenarios for clients
are run through Drawbridge as well. Ends with 1 when there is a difference that is not allowed, or a gap in a recording.

  --revision R,...    only these of: ${REVISIONS.join(", ")}
  --transport T,...   only these of: ${TRANSPORTS.join(", ")}
  --only NAME,...     only these scenarios
  --no-clients        leave the scenarios for clients out
  --plant BUG         plant a header bug, to see that it is found: ${Object.keys(PLANTED_BUGS).join(", ")}
  --trace             print what was said over HTTP in every scenario that differs
  --json              print everything as JSON and nothing else
  --target ...        the last option: a URL (Streamable HTTP), or a command that speaks MCP over stdio
  --help              show this
`;

export interface Options {
  readonly help: boolean;
  readonly json: boolean;
  readonly trace: boolean;
  readonly clients: boolean;
  readonly revisions: readonly Revision[];
  readonly transports: readonly Transport[];
  readonly only: readonly string[] | undefined;
  readonly bug: PlantedBug | undefined;
  readonly target: OwnTarget | undefined;
}

/** A server of somebody else. */
export type OwnTarget = { readonly url: string } | { readonly command: readonly [string, ...string[]] };

/** @throws an error for people when an option is not known or not valid */
export function parseOptions(args: readonly string[]): Options {
  const at = args.indexOf("--target");
  const own = at === -1 ? undefined : parseTarget(args.slice(at + 1));
  const { values } = parseArgs({
    args: at === -1 ? [...args] : args.slice(0, at),
    strict: true,
    options: {
      revision: { type: "string", default: REVISIONS.join(",") },
      transport: { type: "string", default: TRANSPORTS.join(",") },
      only: { type: "string" },
      "no-clients": { type: "boolean", default: false },
      plant: { type: "string" },
      trace: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  return {
    help: values.help,
    json: values.json,
    trace: values.trace,
    clients: !values["no-clients"] && own === undefined && values.only === undefined,
    revisions: chosen("--revision", values.revision, REVISIONS),
    transports: chosen("--transport", values.transport, TRANSPORTS),
    only: values.only?.split(","),
    bug:
      values.plant === undefined
        ? undefined
        : chosen("--plant", values.plant, Object.keys(PLANTED_BUGS) as PlantedBug[])[0],
    target: own,
  };
}

function parseTarget([first, ...rest]: readonly string[]): OwnTarget {
  if (first === undefined) throw new Error("--target needs a URL or a command");
  if (!/^https?:\/\//.test(first)) return { command: [first, ...rest] };
  if (rest.length > 0) throw new Error(`nothing may follow the URL of --target: ${rest.join(" ")}`);
  return { url: first };
}

/** Those of `known` that were asked for, in the order of `known`. */
function chosen<Name extends string>(option: string, text: string, known: readonly Name[]): Name[] {
  const wanted = new Set(text.split(","));
  const unknown = [...wanted].find((name) => !(known as readonly string[]).includes(name));
  if (unknown !== undefined) throw new Error(`${option}: ${unknown} is none of ${known.join(", ")}`);
  return known.filter((name) => wanted.has(name));
}
